/**
 * `npm run bench:check`: `ext4box check` and `e2fsck -fn` on the same images, in turns: a file system
 * of 64 GiB with 1,000,000 inodes in 50,000 directories, and one of 4 TiB that is almost empty. Prints
 * a Markdown table and leaves it in results/. Needs root: the kernel fills the first image, and cold
 * runs drop the page cache.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import {parseArgs} from 'node:util';
import {summarize} from './statistics.ts';

const directoryCount = 50_000;
const directoriesPerFolder = 250;
/** With the directories, and the folders that hold them, a million inodes. */
const filesPerDirectory = 19;

type Sample = {readonly seconds: number; readonly cpuSeconds: number; readonly peakMiB: number};

type Checker = {readonly name: string; readonly command: readonly string[]};

const {values} = parseArgs({
	options: {
		work: {type: 'string', default: path.join(os.tmpdir(), 'ext4box-bench-check')},
		runs: {type: 'string', default: '5'},
		out: {type: 'string', default: path.resolve(import.meta.dirname, '../../results')},
	},
});

/** Makes an image unless it was made before; `fill` gets the folder where it is mounted. */
function prepare(name: string, size: string, fill?: (folder: string) => void): string {
	const image = path.join(values.work, `${name}.img`);
	if (fs.existsSync(image)) return image;
	const unfinished = `${image}.unfinished`;
	fs.rmSync(unfinished, {force: true});
	execFileSync('truncate', ['-s', size, unfinished]);
	execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', unfinished]);
	if (fill !== undefined) {
		const folder = fs.mkdtempSync(path.join(values.work, 'mnt-'));
		execFileSync('mount', ['-o', 'loop,noatime', unfinished, folder]);
		try {
			fill(folder);
		} finally {
			execFileSync('umount', [folder]);
			fs.rmdirSync(folder);
		}
	}
	fs.renameSync(unfinished, image);
	return image;
}

function fillWithFiles(root: string): void {
	for (let index = 0; index < directoryCount; index++) {
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
	const [program = '', ...args] = checker.command;
	const start = performance.now();
	const {status, stderr} = spawnSync('/usr/bin/time', ['-f', '%U %S %M', program, ...args, image], {
		encoding: 'latin1',
		stdio: ['ignore', 'ignore', 'pipe'],
	});
	const seconds = (performance.now() - start) / 1000;
	if (status !== 0) throw new Error(`${checker.name} ended with ${status}: ${stderr}`);
	const [user, system, peak] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
	return {
		seconds,
		cpuSeconds: (user ?? Number.NaN) + (system ?? Number.NaN),
		peakMiB: (peak ?? Number.NaN) / 1024,
	};
}

function dropCaches(): void {
	execFileSync('sync');
	fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
}

/** Rows of the table for one image: the checkers take turns. */
function compare(title: string, image: string, checkers: readonly Checker[]): string[] {
	const rows: string[] = [];
	for (const isCold of [false, true]) {
		const samples = new Map<Checker, Sample[]>(checkers.map(checker => [checker, []]));
		if (!isCold) for (const checker of checkers) run(checker, image);
		for (let round = 0; round < Number(values.runs); round++) {
			for (const checker of checkers) {
				if (isCold) dropCaches();
				samples.get(checker)?.push(run(checker, image));
			}
		}
		for (const checker of checkers) {
			const taken = samples.get(checker) ?? [];
			const median = (of: (sample: Sample) => number) => summarize(taken.map(of)).median.toFixed(2);
			rows.push(
				`| ${title}, ${isCold ? 'cold' : 'warm'} | ${checker.name} | ` +
					`${median(one => one.seconds)} | ${median(one => one.cpuSeconds)} | ` +
					`${median(one => one.peakMiB)} |`,
			);
		}
	}
	return rows;
}

fs.mkdirSync(values.work, {recursive: true});
const program = path.resolve(import.meta.dirname, '../../bin/ext4box');
const checkers: readonly Checker[] = [
	{name: 'e2fsck -fn', command: ['e2fsck', '-fn']},
	{name: 'ext4box check --jobs 1', command: [program, 'check', '--jobs', '1']},
	{name: 'ext4box check --jobs 2', command: [program, 'check', '--jobs', '2']},
];
const lines = [
	`# Checking\n\nMedians of ${values.runs}; load before: ${os.loadavg()[0]?.toFixed(2)}.\n`,
	'| image | checker | seconds | CPU s | peak MiB |',
	'| --- | --- | ---: | ---: | ---: |',
	...compare('64 GiB, 1,000,000 inodes', prepare('many', '64G', fillWithFiles), checkers),
	...compare('4 TiB, empty', prepare('empty', '4T'), checkers),
];
fs.mkdirSync(values.out, {recursive: true});
fs.writeFileSync(path.join(values.out, 'bench-check.md'), `${lines.join('\n')}\n`);
process.stdout.write(`${lines.join('\n')}\n`);
