import test from 'ava';
import {CorruptError, FileError} from '../../ext4/index.ts';
import {Faults} from '../../src/faults.ts';

function watch() {
	const lines: string[] = [];
	const clock = {now: 1_000_000};
	const faults = new Faults(
		line => lines.push(line),
		() => clock.now,
	);
	return {lines, clock, faults};
}

test('what is wrong with the image is kept with its code and inode, and printed', t => {
	const {lines, faults} = watch();
	faults.record(new CorruptError('EXT4_BAD_EXTENT', 'torn', {inode: 12}), 'READ', 11);
	t.is(faults.count, 1);
	t.deepEqual(faults.last, [
		{
			time: '1970-01-01T00:16:40.000Z',
			code: 'EXT4_BAD_EXTENT',
			message: 'torn (inode 12)',
			operation: 'READ',
			inode: 12,
		},
	]);
	t.deepEqual(lines, ['EXT4_BAD_EXTENT: torn (inode 12) (READ, inode 11)']);
});

test('that a caller asks for what is not there is no fault', t => {
	const {lines, faults} = watch();
	faults.record(new FileError('ENOENT', 'no such name'), 'LOOKUP', 2);
	t.is(faults.count, 0);
	t.deepEqual(lines, []);
});

test('a fault of this program is printed with its stack', t => {
	const {lines, faults} = watch();
	faults.record(new TypeError('undefined is not a function'), 'READ', 11);
	t.is(faults.last[0]?.code, 'EXT4BOX_BUG');
	t.regex(lines[1] ?? '', /faults\.test/);
});

test('sixteen are kept, the latest, and all are counted', t => {
	const {faults} = watch();
	for (let index = 0; index < 40; index++) faults.recordMalformed(`number ${index}`);
	t.is(faults.count, 40);
	t.deepEqual(
		faults.last.map(each => each.message),
		Array.from({length: 16}, (_, index) => `number ${index + 24}`),
	);
});

test('an image that is wrong everywhere does not flood stderr', t => {
	const {lines, clock, faults} = watch();
	for (let index = 0; index < 1000; index++) faults.recordMalformed('again');
	t.is(lines.length, 20);
	clock.now += 10_000;
	faults.recordMalformed('later');
	t.is(lines[20], '980 more errors were not printed');
	t.is(lines.length, 22);
});
