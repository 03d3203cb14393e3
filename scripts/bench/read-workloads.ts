/** The reading half of the bench: what people do with an image that they look into. */
import * as path from 'node:path';
import type {Command} from './command.ts';
import {absentPhrase, branchNames, largeFileName, treeName} from './image.ts';
import type {Aim, Place, Workload} from './workload.ts';

/** Served by the page cache alone, which nobody can halve. */
const levelWithKernel: Aim = {kind: 'ratio', against: 'kernel', atMost: 1.1};
const mebibyte = 1024 ** 2;
const readers = 4;

/** `largeFileBytes` is the length of the image's large file. */
export function readWorkloads(largeFileBytes: number): Workload[] {
	const pieces: readonly [string, readonly Aim[], Workload['run']][] = [
		['find', [ofFuse2fs(0.4)], place => place.time(find(place))],
		['stat of every file', [], place => place.time(find(place, '-printf', '%s %m %T@\n'))],
		['ls -lR', [], place => place.time({program: 'ls', args: ['-lR', treeOf(place)]})],
		['grep -r', [ofFuse2fs(0.6)], place => place.time(grep(treeOf(place)))],
		['grep -r, 4 at once', [], place => place.timeTogether(quarterGreps(place))],
		['sequential read', [ofFuse2fs(0.5)], place => place.time(copyOut(place, largeFileBytes))],
		[
			'sequential read, 4 at once',
			[],
			place => place.timeTogether(quarterCopies(place, largeFileBytes)),
		],
	];
	const both = pieces.flatMap(([name, coldAims, run]): Workload[] => [
		{name: `${name} (cold)`, cold: true, aims: coldAims, run},
		{name: `${name} (warm)`, cold: false, aims: [levelWithKernel], run},
	]);
	return [...both, ...randomReads(largeFileBytes), ...mounting];
}

/** What comes once the caches are warm would be over too soon, cold it would take too long. */
function randomReads(largeFileBytes: number): Workload[] {
	return [
		{
			name: 'random 4 KiB reads (cold)',
			cold: true,
			aims: [],
			run: place => runFio(place, largeFileBytes, largeFileBytes / 32),
		},
		{
			name: 'random 4 KiB reads (warm)',
			cold: false,
			aims: [levelWithKernel],
			// The large file comes into the page cache whole; fio's reads then all hit it.
			prepare: async place => {
				await place.time(copyOut(place, largeFileBytes));
			},
			run: place => runFio(place, largeFileBytes, largeFileBytes),
		},
	];
}

const mounting: readonly Workload[] = [
	{
		name: 'mount until it answers (cold)',
		cold: true,
		aims: [],
		run: place => place.remount(),
	},
	{
		name: 'mount until it answers (warm)',
		cold: false,
		aims: [{kind: 'seconds', atMost: 0.3}],
		run: place => place.remount(),
	},
];

function ofFuse2fs(atMost: number): Aim {
	return {kind: 'ratio', against: 'fuse2fs', atMost};
}

function treeOf(place: Place): string {
	return path.join(place.root, treeName);
}

function find(place: Place, ...action: string[]): Command {
	return {program: 'find', args: [treeOf(place), ...action]};
}

/**
 * Greps for what is not there: with its output going to /dev/null, grep would end at the first
 * match. Its status is then 1.
 */
function grep(...directories: string[]): Command {
	return {program: 'grep', args: ['-rF', absentPhrase, ...directories], statuses: [1]};
}

function quarterGreps(place: Place): Command[] {
	return Array.from({length: readers}, (_, reader) => {
		const own = branchNames.filter((_, index) => index % readers === reader);
		return grep(...own.map(name => path.join(treeOf(place), name)));
	});
}

function copyOut(place: Place, bytes: number, skippedBytes = 0): Command {
	return {
		program: 'dd',
		args: [
			`if=${path.join(place.root, largeFileName)}`,
			'of=/dev/null',
			'bs=1M',
			`count=${bytes / mebibyte}`,
			`skip=${skippedBytes / mebibyte}`,
		],
	};
}

function quarterCopies(place: Place, largeFileBytes: number): Command[] {
	const bytes = largeFileBytes / readers;
	return Array.from({length: readers}, (_, reader) => copyOut(place, bytes, reader * bytes));
}

/** Reads blocks of 4 KiB, as many as `ioBytes` hold, from places all over the large file. */
async function runFio(place: Place, largeFileBytes: number, ioBytes: number): Promise<number> {
	const printed = await place.read({
		program: 'fio',
		args: [
			'--name=random',
			`--filename=${path.join(place.root, largeFileName)}`,
			'--rw=randread',
			'--bs=4k',
			`--size=${largeFileBytes}`,
			`--io_size=${ioBytes}`,
			'--norandommap',
			'--randseed=1',
			'--ioengine=psync',
			'--readonly',
			// The bench says itself what is cached.
			'--invalidate=0',
			'--output-format=json',
		],
	});
	// Its own clock: getting ready takes fio longer than the reads do.
	const report: {jobs: {read: {runtime: number; total_ios: number}}[]} = JSON.parse(
		printed.slice(printed.indexOf('{')),
	);
	const read = report.jobs[0]?.read;
	if (read?.total_ios !== ioBytes / 4096) throw new Error(`fio did other work: ${printed}`);
	return read.runtime / 1000;
}
