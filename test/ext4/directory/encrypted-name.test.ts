import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import test from 'ava';
import {
	decodeNoKeyName,
	encodeNoKeyName,
	matchesNoKeyName,
	noKeyNameLengthMax,
} from '../../../ext4/directory/encrypted-name.ts';
import {lookup} from '../../../ext4/directory/lookup.ts';
import {forEachEntry} from '../../../ext4/directory/read.ts';
import {UnsupportedError} from '../../../ext4/errors.ts';
import {readSymlink} from '../../../ext4/symlink.ts';
import {Volume} from '../../../ext4/volume.ts';
import {nodeHashes} from '../../../images/hashes.ts';
import {MemoryDevice} from '../../support/memory-device.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

function noKeyNameOf(encrypted: Uint8Array, major = 0, minor = 0): Buffer {
	const into = new Uint8Array(noKeyNameLengthMax);
	const length = encodeNoKeyName(encrypted, {major, minor}, sha256, into);
	return Buffer.from(into.subarray(0, length));
}

function sequence(length: number): Uint8Array {
	return Uint8Array.from({length}, (_, index) => (index * 37 + length) % 256);
}

for (const length of [16, 17, 18, 32, 148, 149]) {
	test(`a no-key name holds all of ${length} bytes`, t => {
		const encrypted = sequence(length);
		const shown = noKeyNameOf(encrypted, 0x89abcdef, 0x01234567);
		const parts = Buffer.from('efcdab8967452301', 'hex');
		t.is(shown.toString(), Buffer.concat([parts, encrypted]).toString('base64url'));
		const decoded = decodeNoKeyName(shown);
		t.deepEqual(decoded?.hash, {major: 0x89abcdef, minor: 0x01234567});
		t.deepEqual(decoded?.bytes, encrypted);
		t.is(decoded?.digest, undefined);
	});
}

for (const length of [150, 160, 255]) {
	test(`a no-key name holds 149 of ${length} bytes and a digest of the rest`, t => {
		const encrypted = sequence(length);
		const shown = noKeyNameOf(encrypted);
		t.is(shown.length, noKeyNameLengthMax);
		const decoded = decodeNoKeyName(shown);
		t.deepEqual(decoded?.bytes, encrypted.subarray(0, 149));
		t.deepEqual(Buffer.from(decoded?.digest ?? []), sha256(encrypted.subarray(149)));
		if (decoded === undefined) return;
		t.true(matchesNoKeyName(decoded, encrypted, sha256));
		const other = encrypted.slice();
		other[length - 1] = (other[length - 1] ?? 0) ^ 1;
		t.false(matchesNoKeyName(decoded, other, sha256));
		t.false(matchesNoKeyName(decoded, encrypted.subarray(0, 149), sha256));
	});
}

test('a short no-key name matches nothing longer, shorter or different', t => {
	const decoded = decodeNoKeyName(noKeyNameOf(sequence(32)));
	if (decoded === undefined) throw new Error('not decoded');
	t.true(matchesNoKeyName(decoded, sequence(32), sha256));
	t.false(matchesNoKeyName(decoded, sequence(32).subarray(0, 31), sha256));
	t.false(matchesNoKeyName(decoded, Buffer.concat([sequence(32), Buffer.of(0)]), sha256));
	t.false(matchesNoKeyName(decoded, sequence(33).subarray(0, 32), sha256));
});

const nonsense = [
	['', 'nothing'],
	['AAAAAAAAAAA', 'hashes without a name'],
	['AAAAAAAAAAAA=', 'padding'],
	['AAAAAAAAAAAAAAAA+A', 'a character of another alphabet'],
	['AAAAAAAAAAAAB', 'a character too many'],
	['AAAAAAAAAAAAAB', 'bits that no byte takes up'],
	['A'.repeat(noKeyNameLengthMax + 1), 'too much'],
	['A'.repeat(240), 'more than the bytes and less than the digest'],
] as const;

for (const [name, why] of nonsense) {
	test(`no no-key name: ${why}`, t => {
		t.is(decodeNoKeyName(Buffer.from(name)), undefined);
	});
}

// What the kernel shows: see test/fixtures/README.md.
type Shown = {readonly path: string; readonly inode: number; readonly target?: string};
const fixtures = join(import.meta.dirname, '../../fixtures');
const image = gunzipSync(readFileSync(join(fixtures, 'encrypted.img.gz')));
const shownByKernel = JSON.parse(
	readFileSync(join(fixtures, 'encrypted.json'), 'utf8'),
) as readonly Shown[];

function listing(volume: Volume, number: number, path: string): Shown[] {
	const shown: Shown[] = [];
	forEachEntry(volume, volume.readInode(number), 0, (bytes, start, length, inode) => {
		const name = Buffer.from(bytes.subarray(start, start + length)).toString();
		if (name === '.' || name === '..') return true;
		const child = volume.readInode(inode);
		const entry = {path: path + name, inode};
		if (child.type === 'symlink') {
			shown.push({...entry, target: Buffer.from(readSymlink(volume, child)).toString()});
		} else shown.push(entry);
		if (child.type === 'directory') shown.push(...listing(volume, inode, `${path + name}/`));
		return true;
	});
	return shown;
}

function byPath(a: Shown, b: Shown): number {
	return a.path < b.path ? -1 : 1;
}

test('encrypted directories are shown as Linux 6.18 shows them', t => {
	const volume = Volume.open(new MemoryDevice(image, true), {hashes: nodeHashes});
	t.deepEqual(listing(volume, 2, '').sort(byPath), [...shownByKernel].sort(byPath));
});

test('what is shown of encrypted directories is found again', t => {
	const volume = Volume.open(new MemoryDevice(image, true), {hashes: nodeHashes});
	for (const {path, inode} of shownByKernel) {
		let at = 2;
		for (const name of path.split('/')) {
			at = lookup(volume, volume.readInode(at), Buffer.from(name))?.inode ?? 0;
		}
		t.is(at, inode, path);
	}
	const one = volume.readInode(lookup(volume, volume.readInode(2), Buffer.from('one'))?.inode ?? 0);
	t.is(lookup(volume, one, Buffer.from('hello')), undefined);
	t.is(lookup(volume, one, noKeyNameOf(sequence(32))), undefined);
	t.is(lookup(volume, one, Buffer.from('..'))?.inode, 2);
});

test('long encrypted names need a hash function', t => {
	const volume = Volume.open(new MemoryDevice(image, true));
	t.throws(() => listing(volume, 2, ''), {instanceOf: UnsupportedError});
});
