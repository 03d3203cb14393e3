import test from 'ava';
import {isLockedForWriting} from '../../../src/check/in-use.ts';
import {barText, partDone} from '../../../src/check/progress.ts';
import {uriOf} from '../../../src/check/sarif.ts';
import {repairCommand} from '../../../src/check/verdict.ts';

test('the bar tells the pass, the part that is done and the time left', t => {
	const early = {pass: 'volume', done: 0, total: 1} as const;
	const middle = {pass: 'inodes', done: 1, total: 2} as const;
	t.is(partDone(early), 0);
	t.true(partDone(middle) > 0.2 && partDone(middle) < 0.5);
	t.is(Math.round(partDone({pass: 'quota', done: 5, total: 5}) * 1e6), 1e6);
	t.true(partDone({pass: 'quota', done: 9, total: 5}) <= 1.000001);
	t.notRegex(barText(early, 0.2, 80), /left/);
	t.regex(barText(middle, 10, 80), /^pass 2 of 7, inodes +\[#+ +\] +\d+%, about \d+ s left$/);
});

test('on a narrow terminal the bar goes first, then the words; it never wraps', t => {
	const middle = {pass: 'inodes', done: 1, total: 2} as const;
	t.regex(barText(middle, 10, 60), /^pass 2 of 7, inodes, \d+%, about \d+ s left$/);
	t.regex(barText(middle, 10, 30), /^pass 2 of 7, inodes, \d+%$/);
	t.regex(barText(middle, 10, 20), /^pass 2 of 7, \d+%$/);
	t.regex(barText(middle, 10, 8), /^\d+%$/);
	t.is(barText(middle, 10, 2), '');
	for (let columns = 1; columns < 100; columns++) {
		t.true(barText(middle, 10, columns).length < columns, String(columns));
	}
});

test('a lock for writing is found in the kernel’s table', t => {
	const locks =
		'1: POSIX  ADVISORY  WRITE 12 fe:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 13 fe:01:78 0 EOF\n3: FLOCK  ADVISORY  READ 14 fe:01:79 0 EOF\n';
	t.true(isLockedForWriting(locks, 0xfe, 1, 78n));
	t.false(isLockedForWriting(locks, 0xfe, 1, 77n));
	t.false(isLockedForWriting(locks, 0xfe, 1, 79n));
	t.false(isLockedForWriting(locks, 0xfe, 1, 8n));
});

test('paths with anything in them keep their meaning in commands and URIs', t => {
	t.is(repairCommand(Buffer.from('/a b/c'), 0), "e2fsck -f '/a b/c'");
	t.is(repairCommand(Buffer.from('-rf'), 0), 'e2fsck -f ./-rf');
	t.is(uriOf(Buffer.from([0x2f, 0x61, 0x20, 0xff])), 'file:///a%20%FF');
	t.is(uriOf(Buffer.from('disk.img')), 'disk.img');
});
