/**
 * `ext4box check` and `e2fsck -fn` on the same images, in turns: a file system with a million inodes in
 * 50,000 directories, and a large one that is almost empty. The kernel fills the first.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import {type Summary, summarize} from './statistics.ts';

/** What is checked; `directories` have 19 files each, and 250 of them lie in a folder. */
export type CheckWork = {
	readonly name: string;
	/** Of the image, which is kept under this name. */
	readonly file: string;
	readonly size: string;
	readonly directories: number;
};

export const checkWorks: readonly CheckWork[] = [
	{name: 'check 1,000,000 inodes', file: 'check-many.img', size: '64G', directories: 50_000},
	{name: 'check 4 TiB, empty', file: 'check-empty.img', size: '4T', directories: 0},
];

/** To see that it works. */
export const quickCheckWorks: readonly CheckWork[] = [
	{name: 'check 10,000 inodes', file: 'check-few.img', size: '2G', directories: 500},
	{name: 'check 16 GiB, empty', file: 'check-small.img', size: '16G', directories: 0},
];

export type CheckLine = {
	readonly name: string;
	readonly cold: boolean;
	readonly outcomes: readonly {
		readonly checker: string;
		readonly seconds: Summary;
		readonly cpuSeconds: Summary;
		readonly peakBytes: Summary;
	}[];
};

const directoriesPerFolder = 250;
const filesPerDirectory = 19;

type Sample = {readonly seconds: number; readonly cpuSeconds: number; readonly peakBytes: number};
type Checker = {readonly name: string; readonly command: readonly string[]};

const program = path.resolve(import.meta.dirname, '../../bin/ext4box');
const checkers: readonly Checker[] = [
	{name: 'e2fsck -fn', command: ['e2fsck', '-fn']},
	{name: 'ext4box check --jobs 1', command: [program, 'check', '--jobs', '1']},
	{name: 'ext4box check --jobs 2', command: [program, 'check', '--jobs', '2']},
];

/** What has to be installed. */
export const checkingPrograms = ['e2fsck', 'mke2fs', 'time'] as const;

/** The image of a work in `directory`, made there unless it was before. Throws where a tool fails. */
function prepare({file, size, directories}: CheckWork, directory: string): string {
	const image = path.join(directory, file);
	if (fs.existsSync(image)) return image;
	const unfinished = `${image}.unfinished`;
	fs.rmSync(unfinished, {force: true});
	execFileSync('truncate', ['-s', size, unfinished]);
	execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', unfinished]);
	if (directories > 0) {
		const folder = fs.mkdtempSync(path.join(directory, 'mnt-'));
		execFileSync('mount', ['-o', 'loop,noatime', unfinished, folder]);
		try {
			fill(folder, directories);
		} finally {
			execFileSync('umount', [folder]);
			fs.rmdirSync(folder);
		}
	}
	fs.renameSync(unfinished, image);
	return image;
}

function fill(root: string, directories: number): void {
	for (let index = 0; index < directories; index++) {
		const folder = path.join(root, String(Math.floor(index / directoriesPerFolder)));
		if (index % directoriesPerFolder === 0) fs.mkdirSync(folder);
		const directory = path.join(folder, `directory-${index}`);
		fs.mkdirSync(directory);
		for (let file = 0; file < filesPerDirectory; file++) {
			// Some hold something: one block each.
			fs.writeFileSync(path.join(directory, `file-${file}.txt`), file % 4 === 0 ? 'text' : '');
		}
	}
}

/** One run; `time` tells what it took. Throws where the checker does not call the image clean. */
function run(checker: Checker, image: string): Sample {
	const [command = '', ...args] = checker.command;
	const start = performance.now();
	const {status, stderr} = spawnSync('time', ['-f', '%U %S %M', command, ...args, image], {
		encoding: 'latin1',
		stdio: ['ignore', 'ignore', 'pipe'],
	});
	const seconds = (performance.now() - start) / 1000;
	if (status !== 0) throw new Error(`${checker.name} ended with ${status}: ${stderr}`);
	const [user, system, peak] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
	return {
		seconds,
		cpuSeconds: (user ?? Number.NaN) + (system ?? Number.NaN),
		peakBytes: (peak ?? Number.NaN) * 1024,
	};
}

function dropCaches(): void {
	execFileSync('sync');
	fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
}

/** The lines of one work, warm and cold. `directory` is where its image is kept. */
export function measureChecking(work: CheckWork, runs: number, directory: string): CheckLine[] {
	const image = prepare(work, directory);
	return [false, true].map(cold => {
		const samples = new Map<Checker, Sample[]>(checkers.map(checker => [checker, []]));
		if (!cold) for (const checker of checkers) run(checker, image);
		for (let round = 0; round < runs; round++) {
			for (const checker of checkers) {
				if (cold) dropCaches();
				samples.get(checker)?.push(run(checker, image));
			}
		}
		const outcomes = [...samples].map(([{name: checker}, taken]) => ({
			checker,
			seconds: summarize(taken.map(({seconds}) => seconds)),
			cpuSeconds: summarize(taken.map(({cpuSeconds}) => cpuSeconds)),
			peakBytes: summarize(taken.map(({peakBytes}) => peakBytes)),
		}));
		return {name: work.name, cold, outcomes};
	});
}
