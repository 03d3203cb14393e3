/** How many files lie in more than one piece, as e2fsck counts. */
import * as fs from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {hasE2fsck, runE2fsck} from '../../check/e2fsck.ts';
import {runOurs} from '../../check/ours.ts';
import {debugfs, e2fsprogs} from '../../support/e2fsprogs.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {temporary} from '../../support/program.ts';
import {testUnless} from '../../support/skip.ts';

const why = hasE2fsck ? undefined : 'e2fsck is not installed';

/** Shares as both print them, and how many fragmented files we count. */
function shares(t: ExecutionContext, path: string): {ours: string; theirs: string; count: number} {
	const {summary} = runOurs(new MemoryDevice(new Uint8Array(fs.readFileSync(path)), true));
	const volume = summary?.volume;
	if (volume === undefined) throw new Error('the image was not checked');
	const {fragmentedFiles, fragmentedDirectories} = volume.totals;
	const count = fragmentedFiles + fragmentedDirectories;
	const {output, exit} = runE2fsck(path);
	t.is(exit, 0);
	return {
		ours: ((count / volume.usedInodeCount) * 100).toFixed(1),
		theirs: /\((\d+\.\d)% non-contiguous\)/.exec(output)?.[1] ?? '',
		count,
	};
}

testUnless(why, 'a block of pointers between those of a file does not part them', t => {
	const folder = temporary(t);
	const path = join(folder, 'image');
	e2fsprogs('mke2fs', ['-q', '-t', 'ext2', '-b', '1024', path, '2M']);
	const large = join(folder, 'large');
	fs.writeFileSync(large, Buffer.alloc(100 * 1024, 'x'));
	// The third begins in the room of the first, and goes on behind the second.
	const commands = ['write SMALL first', 'write LARGE second', 'rm first', 'write LARGE third'];
	const small = join(folder, 'small');
	fs.writeFileSync(small, Buffer.alloc(5 * 1024, 'x'));
	const lines = commands.map(line => line.replace('SMALL', small).replace('LARGE', large));
	debugfs(
		lines.map(line => Buffer.from(line)),
		path,
	);
	const {ours, theirs, count} = shares(t, path);
	t.is(ours, theirs);
	t.is(count, 1);
});

testUnless(why, 'the list of bad blocks is no file in pieces', t => {
	const folder = temporary(t);
	const path = join(folder, 'image');
	const list = join(folder, 'bad');
	fs.writeFileSync(list, '900\n950\n1200\n');
	e2fsprogs('mke2fs', ['-q', '-t', 'ext4', '-b', '1024', '-l', list, path, '4M']);
	const {ours, theirs} = shares(t, path);
	t.is(ours, theirs);
});
