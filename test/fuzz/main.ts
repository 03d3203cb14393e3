/** `npm run fuzz`: see `usage`. Exits 1 where an input crashes, hangs or takes too much memory. */
import {execFileSync} from 'node:child_process';
import {appendFileSync, mkdirSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {gzipSync} from 'node:zlib';
import {type DriveCounts, runCampaign, runRecipes, type Summary} from './campaign.ts';
import {readCorpus, writeCorpus} from './corpus.ts';
import {Drives} from './drives.ts';
import {type DriveName, driveNames, formatRecipe, parseRecipe} from './recipe.ts';

const usage = `Usage: npm run fuzz -- [OPTIONS]

Makes inputs wrong in ways that matter, runs them, and follows those that reach something new.

  read       a damaged image is opened, walked and read whole, by the library and by the server
  replay     a damaged journal is brought home on the medium, and what is left is read
  write      a damaged image is written to by random operations, and what is left is read
  check      a damaged image is checked; found well, it is read without an error
  requests   the server is asked by a kernel that speaks badly
  disks      partition tables lie
  arguments  command lines, mount options, reports and tables of mounts
  (the mount helper, in C: npm run fuzz:helper)

Options:
  --count N            inputs, of all drives together (20000)
  --drive NAME=WEIGHT  only this drive; may be repeated, the weight (1) is its share
  --seed N             where the randomness begins (1)
  --minutes N          start nothing more after so long (unlimited)
  --jobs N             processes at a time (2)
  --only RECIPE        run one input, such as read:ext4-1k:12,3456, and tell what was done to it
  --save FILE          with --only: write the image that the recipe makes
  --keep               add what was found to the corpus, test/fuzz/corpus.txt
  --renew-corpus       run the corpus, and drop of it what reaches nothing new
  --no-record          do not add a line to test/fuzz/results.jsonl
  --branches           print how many branches of each file were reached
  --help
`;

const {values} = parseArgs({
	options: {
		count: {type: 'string', default: '20000'},
		drive: {type: 'string', multiple: true},
		seed: {type: 'string', default: '1'},
		minutes: {type: 'string', default: 'Infinity'},
		jobs: {type: 'string', default: '2'},
		only: {type: 'string'},
		save: {type: 'string'},
		keep: {type: 'boolean', default: false},
		'renew-corpus': {type: 'boolean', default: false},
		record: {type: 'boolean', default: true},
		branches: {type: 'boolean', default: false},
		help: {type: 'boolean', default: false},
	},
	allowNegative: true,
});

const root = resolve(import.meta.dirname, '../..');
const usualWeights: DriveCounts = {
	read: 73,
	replay: 8,
	write: 8,
	check: 4,
	requests: 5,
	disks: 1,
	arguments: 1,
};

function print(line: string): void {
	process.stdout.write(`${line}\n`);
}

function percent(part: number, all: number): string {
	return all === 0 ? '–' : `${((part / all) * 100).toFixed(1)} %`;
}

/** How many inputs each drive gets, from `--count` and `--drive`. */
function countsOf(count: number): DriveCounts {
	const weights: {[drive in DriveName]?: number} = {};
	for (const said of values.drive ?? []) {
		const [name, weight = '1'] = said.split('=');
		const drive = driveNames.find(each => each === name);
		if (drive === undefined || !(Number(weight) > 0)) {
			throw new RangeError(`--drive ${said}: there are ${driveNames.join(', ')}`);
		}
		weights[drive] = Number(weight);
	}
	const wanted = values.drive === undefined ? usualWeights : weights;
	const sum = Object.values(wanted).reduce((all, weight) => all + weight, 0);
	const shares = Object.entries(wanted).map(([drive, weight]) => [
		drive,
		Math.round((count * weight) / sum),
	]);
	return Object.fromEntries(shares) as DriveCounts;
}

function printSummary(summary: Summary): void {
	let all = 0;
	print('');
	for (const [drive, {inputs, believed, small, branches}] of Object.entries(summary.drives)) {
		all += inputs;
		const size = small === 0 ? '' : `, ${small} of at most 1 MiB`;
		print(
			`${drive.padEnd(10)} ${String(inputs).padStart(8)} inputs${size}; ${percent(believed, inputs)} believed; ${branches} branches`,
		);
	}
	const {slowest, memoryBytes, seconds, codes} = summary;
	print(`${all} inputs in ${seconds.toFixed(1)} s: ${(all / seconds).toFixed(0)} a second`);
	print(`slowest: ${slowest.milliseconds.toFixed(0)} ms (${slowest.recipe})`);
	print(`memory beyond the start: ${Math.round(memoryBytes / 2 ** 20)} MiB at most`);
	print(`${codes.size} kinds of refusal: ${[...codes].sort().join(' ')}`);
	print(`${summary.finds.length} inputs reached something new`);
}

function printBranches(summary: Summary): void {
	for (const [file, [reached, all]] of Object.entries(summary.files).sort()) {
		print(`  ${file.padEnd(44)} ${String(reached).padStart(5)} of ${all}`);
	}
}

function printFailures(summary: Summary): void {
	const drives = new Drives();
	const folder = join(root, 'results/fuzz');
	summary.failures.forEach(({recipe, kind, detail}, index) => {
		print(`\n${kind.toUpperCase()} ${recipe}`);
		print(`  again: npm run fuzz -- --only ${recipe}`);
		print(detail.replace(/^/gm, '  '));
		if (recipe === '' || index >= 20) return;
		mkdirSync(folder, {recursive: true});
		const path = join(folder, `${recipe.replaceAll(/[:,]/g, '-').slice(0, 100)}.img.gz`);
		writeFileSync(path, gzipSync(drives.image(parseRecipe(recipe)).bytes));
		print(`  image kept in ${path}`);
	});
	print(`\n${summary.failures.length} failures`);
}

function revision(): string {
	try {
		const args = ['rev-parse', '--short', 'HEAD'];
		return execFileSync('git', args, {cwd: root, encoding: 'utf8', stdio: 'pipe'}).trim();
	} catch {
		return 'unknown'; // Not a checkout.
	}
}

function record(summary: Summary): void {
	const line = {
		revision: revision(),
		seed: Number(values.seed),
		drives: summary.drives,
		perSecond: Math.round(
			Object.values(summary.drives).reduce((sum, {inputs}) => sum + inputs, 0) / summary.seconds,
		),
		refusals: summary.codes.size,
		slowestMilliseconds: Math.round(summary.slowest.milliseconds),
		memoryMiB: Math.round(summary.memoryBytes / 2 ** 20),
		failures: summary.failures.map(({kind, recipe}) => `${kind} ${recipe}`),
	};
	appendFileSync(join(import.meta.dirname, 'results.jsonl'), `${JSON.stringify(line)}\n`);
}

async function keep(recipes: readonly string[]): Promise<void> {
	const {finds} = await runRecipes(recipes);
	writeCorpus(finds.map(parseRecipe));
	print(`the corpus has ${finds.length} inputs`);
}

async function runMany(): Promise<number> {
	const corpus = readCorpus().map(formatRecipe);
	const count = Number(values.count);
	const summary = await runCampaign({
		seed: Number(values.seed),
		counts: countsOf(count),
		corpus,
		jobs: Number(values.jobs),
		minutes: Number(values.minutes),
		onShare: ({drives, seconds, failures}) => {
			const inputs = Object.values(drives).reduce((sum, each) => sum + each.inputs, 0);
			print(`${inputs} inputs, ${seconds.toFixed(0)} s, ${failures.length} failures …`);
		},
	});
	printSummary(summary);
	if (values.branches) printBranches(summary);
	printFailures(summary);
	if (values.record) record(summary);
	if (values.keep) await keep([...corpus, ...summary.finds]);
	return summary.failures.length === 0 ? 0 : 1;
}

async function runOne(text: string): Promise<number> {
	const recipe = parseRecipe(text);
	const {story, bytes} = new Drives().image(recipe);
	for (const step of story) print(`  ${step}`);
	if (values.save !== undefined) writeFileSync(values.save, bytes);
	const summary = await runRecipes([text]);
	print(`${summary.slowest.milliseconds.toFixed(0)} ms; ${[...summary.codes].join(' ')}`);
	printFailures(summary);
	return summary.failures.length === 0 ? 0 : 1;
}

if (values.help) print(usage);
else if (values['renew-corpus']) await keep(readCorpus().map(formatRecipe));
else process.exitCode = values.only === undefined ? await runMany() : await runOne(values.only);
