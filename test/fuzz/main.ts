/**
 * npm run fuzz -- --count 2000 --seed 1 [--jobs 2] [--base FOLDER] [--no-kernel] [--no-coverage]
 * npm run fuzz -- --only SEED [--no-kernel] [--base FOLDER] [--save FILE]
 *
 * Mutates images and reads them whole. Exits 1 where one crashes, hangs for more than 10 seconds,
 * takes more than 512 MiB, or makes an error that is not one of the image.
 */
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {gzipSync} from 'node:zlib';
import {makeBases} from './bases.ts';
import {runCampaign, type Summary} from './campaign.ts';
import {readCoverage} from './coverage.ts';
import {SeedRunner} from './run-seed.ts';

const root = resolve(import.meta.dirname, '../..');

const {values} = parseArgs({
	options: {
		count: {type: 'string', default: '2000'},
		seed: {type: 'string', default: '1'},
		jobs: {type: 'string', default: '2'},
		base: {type: 'string'},
		only: {type: 'string'},
		save: {type: 'string'},
		kernel: {type: 'boolean', default: process.getuid?.() === 0},
		coverage: {type: 'boolean', default: true},
	},
	allowNegative: true,
});

function percent([part, all]: readonly [number, number]): string {
	return all === 0 ? '–' : `${((part / all) * 100).toFixed(1)} %`;
}

function print(line: string): void {
	process.stdout.write(`${line}\n`);
}

function printCoverage(reports: string): void {
	const files = readCoverage(reports, root, 'ext4');
	const sum = {lines: [0, 0], functions: [0, 0]} as {
		lines: [number, number];
		functions: [number, number];
	};
	print('\ncoverage of ext4/ (lines, functions; lines that were not reached)');
	for (const {file, lines, functions, uncoveredLines} of files) {
		for (const index of [0, 1] as const) {
			sum.lines[index] += lines[index];
			sum.functions[index] += functions[index];
		}
		const missing =
			uncoveredLines.slice(0, 12).join(' ') + (uncoveredLines.length > 12 ? ' …' : '');
		print(
			`  ${file.padEnd(36)} ${percent(lines).padStart(8)} ${percent(functions).padStart(8)}  ${missing}`,
		);
	}
	print(
		`  ${'all'.padEnd(36)} ${percent(sum.lines).padStart(8)} ${percent(sum.functions).padStart(8)}`,
	);
}

function printSummary(summary: Summary, seconds: number): void {
	const {images} = summary;
	print(
		`\n${images} images in ${seconds.toFixed(1)} s: ${(images / seconds).toFixed(1)} images a second`,
	);
	print(`superblock believed: ${percent([summary.passedSuperblock, images])}`);
	print(
		`opened: ${percent([summary.opened, images])}; read without an error: ${percent([summary.withoutError, images])}`,
	);
	const {slowest} = summary;
	print(
		`slowest: ${slowest.milliseconds.toFixed(0)} ms (seed ${slowest.seed}); resident at most ${Math.round(summary.rssMax / 2 ** 20)} MiB`,
	);
	print('images with an error of each code:');
	for (const [code, count] of [...summary.codes].sort((a, b) => b[1] - a[1])) {
		print(`  ${String(count).padStart(7)} ${code}`);
	}
}

function printFailures(summary: Summary, runner: SeedRunner): void {
	const folder = join(root, 'results/fuzz');
	for (const failure of summary.failures) {
		const {base, story, bytes} = runner.image(failure.seed);
		mkdirSync(folder, {recursive: true});
		const saved = join(folder, `${failure.seed}.img.gz`);
		writeFileSync(saved, gzipSync(bytes));
		print(
			`\n${failure.kind.toUpperCase()} seed ${failure.seed} (base ${base}), image kept in ${saved}`,
		);
		print(`  again: npm run fuzz -- --only ${failure.seed}${values.kernel ? '' : ' --no-kernel'}`);
		for (const step of story) print(`  ${step}`);
		print(failure.detail.replace(/^/gm, '  '));
	}
}

async function runMany(folder: string): Promise<number> {
	const bases = makeBases(folder, values.kernel);
	const reports = values.coverage ? mkdtempSync(join(tmpdir(), 'ext4box-coverage-')) : undefined;
	const started = performance.now();
	const summary = await runCampaign({
		folder,
		withKernel: values.kernel,
		seed: Number(values.seed),
		count: Number(values.count),
		jobs: Number(values.jobs),
		coverage: reports,
		onImage: images => {
			if (images % 1000 === 0) print(`${images} images …`);
		},
	});
	printSummary(summary, (performance.now() - started) / 1000);
	if (reports !== undefined) {
		printCoverage(reports);
		rmSync(reports, {recursive: true});
	}
	if (summary.failures.length > 0) printFailures(summary, new SeedRunner(bases));
	print(`\n${summary.failures.length} failures`);
	return summary.failures.length === 0 && summary.images === Number(values.count) ? 0 : 1;
}

function runOne(folder: string, seed: number): number {
	const runner = new SeedRunner(makeBases(folder, values.kernel));
	if (values.save !== undefined) writeFileSync(values.save, runner.image(seed).bytes);
	const {result, story, crash, milliseconds, base} = runner.run(seed);
	print(`seed ${seed}, base ${base}, ${milliseconds.toFixed(0)} ms`);
	for (const step of story) print(`  ${step}`);
	if (crash !== undefined) print(crash);
	if (result !== undefined) print(JSON.stringify({...result, errors: [...result.errors]}));
	return crash === undefined ? 0 : 1;
}

const folder = values.base ?? mkdtempSync(join(tmpdir(), 'ext4box-fuzz-'));
try {
	process.exitCode =
		values.only === undefined ? await runMany(folder) : runOne(folder, Number(values.only));
} finally {
	if (values.base === undefined) rmSync(folder, {recursive: true, force: true});
}
