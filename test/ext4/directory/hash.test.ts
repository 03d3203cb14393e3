import test from 'ava';
import {type HashSeed, hashName} from '../../../ext4/directory/hash.ts';
import {debugfs, hasDebugfs} from '../../support/e2fsprogs.ts';

const noSeed: HashSeed = [0, 0, 0, 0];
const seed: HashSeed = [0x67452301, 0xefcdab89, 0x67452301, 0xefcdab89];
const seedUuid = '01234567-89ab-cdef-0123-456789abcdef';
const longName = 'hällo-wörld-with-a-name-of-more-than-32-bytes';

// What debugfs's dx_hash says, with and without a seed.
const vectors = [
	{version: 0, isUnsigned: false, name: longName, major: 0xbd0cc2aa, minor: 0},
	{version: 1, isUnsigned: false, name: longName, major: 0xfb3fdc60, minor: 0x14f0cf1e},
	{version: 2, isUnsigned: false, name: longName, major: 0x8bab6510, minor: 0xcf81b6f5},
	{version: 0, isUnsigned: true, name: longName, major: 0x2e9469f4, minor: 0},
	{version: 1, isUnsigned: true, name: longName, major: 0xb13a0b6c, minor: 0x66a424d4},
	{version: 2, isUnsigned: true, name: longName, major: 0xfbb3bf60, minor: 0x3e71ec42},
];

for (const {version, isUnsigned, name, major, minor} of vectors) {
	const sign = isUnsigned ? 'unsigned' : 'signed';
	test(`hash version ${version}, ${sign}, of a name with bytes beyond ASCII`, t => {
		t.deepEqual(hashName(version, isUnsigned, seed, Buffer.from(name)), {major, minor});
	});
}

for (const version of [3, 6, 7, 255]) {
	test(`hash version ${version} can't be computed from a name`, t => {
		t.is(hashName(version, false, seed, Buffer.from('name')), undefined);
	});
}

test('a major hash is even, so that the tree can mark collisions', t => {
	for (let index = 0; index < 500; index++) {
		for (const version of [0, 1, 2]) {
			const hash = hashName(version, false, noSeed, Buffer.from(`name ${index}`));
			t.is((hash?.major ?? 1) % 2, 0);
		}
	}
});

/** Names of every length, of bytes that debugfs's command line leaves alone. */
function manyNames(): Buffer[] {
	const names: Buffer[] = [];
	for (let length = 1; length <= 255; length++) {
		const name = Buffer.alloc(length);
		for (let at = 0; at < length; at++) name[at] = 0x30 + ((at * 7 + length * 13) % 10);
		for (let at = 0; at < length; at += 5) name[at] = 0x80 + ((at * 31 + length * 17) % 0x80);
		names.push(name);
	}
	return names;
}

const oracle = hasDebugfs ? test : test.skip;
oracle('names of every length hash as debugfs says (skipped without debugfs)', t => {
	const names = manyNames();
	for (const [uuid, words] of [
		[seedUuid, seed],
		['00000000-0000-0000-0000-000000000000', noSeed],
	] as const) {
		for (const version of [0, 1, 2]) {
			for (const isUnsigned of [false, true]) {
				const number = version + (isUnsigned ? 3 : 0);
				const output = debugfs(
					names.map(name => Buffer.concat([Buffer.from(`dx_hash -h ${number} -s ${uuid} `), name])),
				);
				const found = [...output.matchAll(/ is 0x([0-9a-f]+) \(minor 0x([0-9a-f]+)\)/g)];
				t.is(found.length, names.length);
				names.forEach((name, index) => {
					const hash = hashName(version, isUnsigned, words, name);
					const [, major = '', minor = ''] = found[index] ?? [];
					t.is(hash?.major, Number.parseInt(major, 16), `${number}, length ${name.length}`);
					t.is(hash?.minor, Number.parseInt(minor, 16), `${number}, length ${name.length}`);
				});
			}
		}
	}
});
