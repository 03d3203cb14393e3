/**
 * O_DIRECT, O_DIRECTORY, O_NOFOLLOW and O_LARGEFILE are other numbers on arm64 than on x86-64, one's
 * being the other's: no source may give any of them by number.
 */
import {globSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';

const root = join(import.meta.dirname, '../..');
/** 0o40000, 0o100000, 0o200000, 0o400000: on each machine these four, in an order of its own. */
const differing = 0o740000;

/** Whether a line that is about opening has a number, octal or hexadecimal, with such a bit. */
function namesByNumber(line: string): boolean {
	if (!/\bopen(at2?|Sync|At)?\b|\bO_[A-Z]/.test(line)) return false;
	const numbers = line.match(/\b0[ox][0-9a-f_]+/g) ?? [];
	return numbers.some(text => (Number(text.replaceAll('_', '')) & differing) !== 0);
}

test('no flag of open(2) that differs between machines is a number', t => {
	const files = globSync('{src,images,ext4,iomap,scripts,test}/**/*.ts', {cwd: root});
	t.true(files.length > 300, `${files.length} files`);
	const found = files.filter(file => file !== join('test/src', 'open-flags.test.ts'));
	const places = found.flatMap(file =>
		readFileSync(join(root, file), 'utf8')
			.split('\n')
			.filter(namesByNumber)
			.map(line => `${file}: ${line.trim()}`),
	);
	t.deepEqual(places, []);
});

test('and such a number would be found', t => {
	t.true(namesByNumber("fs.openSync('/', 0o200000)"));
	t.true(namesByNumber('const direct = 0x4000; // O_DIRECT'));
	t.true(namesByNumber('export const open = {tmpfile: 0o20_200_000} as const;'));
	t.false(namesByNumber('const pathOnly = 0o10000000; // O_PATH'));
	t.false(namesByNumber('const regularFile = 0o100000;'));
});
