/** `npm run check-mutations`: see `usage`. */
import {
	appendFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {makeCleanBases} from './bases.ts';
import {agreementText, type Campaign, classesOf, runCampaign} from './campaign.ts';
import {type Judged, judgeSeed} from './compare.ts';
import {CheckMutator} from './mutate.ts';

const agreementMin = 0.995;

const usage = `Usage: npm run check-mutations -- [options]

Mutates metadata of images that are well and has e2fsck -fn and our checker judge each. Prints the
share of verdicts that agree and, class by class, those that don't. Exit status 1 where the share is
less than 99.5 %, or where ours crashes or does not end.

  --count N      mutations (default 20000)
  --seed N       the first seed (default 1)
  --jobs N       processes at a time (default 2)
  --base FOLDER  where the images to mutate are kept
  --verdicts FILE  a line is added to it for each; those of the seeds that it has are taken from it,
                 so that a run that was stopped goes on
  --only SEED    judge one, and print both verdicts
  --save FILE    with --only: write the image
`;

const {values} = parseArgs({
	options: {
		help: {type: 'boolean', default: false},
		count: {type: 'string', default: '20000'},
		seed: {type: 'string', default: '1'},
		jobs: {type: 'string', default: '2'},
		base: {type: 'string'},
		verdicts: {type: 'string'},
		only: {type: 'string'},
		save: {type: 'string'},
	},
});

function print(line: string): void {
	process.stdout.write(`${line}\n`);
}

function printCampaign(campaign: Campaign): boolean {
	const {judged, withoutVerdict, agreed, agreedExactly, disagreements, crashes, slowest} = campaign;
	const compared = judged - withoutVerdict;
	const percent = (count: number) => `${((count / Math.max(1, compared)) * 100).toFixed(2)} %`;
	for (const {title, of} of classesOf(disagreements)) {
		const seeds = of.slice(0, 6).map(({seed}) => seed);
		print(`${String(of.length).padStart(5)}  ${title}\n       seeds ${seeds.join(' ')}`);
	}
	for (const {seed, detail} of crashes) print(`CRASH seed ${seed}: ${detail}`);
	print(`${judged} judged; of ${withoutVerdict} e2fsck itself gave no verdict`);
	print(
		`agreement that something is wrong: ${agreementText(campaign)}; of the exact verdict: ${percent(agreedExactly)}`,
	);
	print(
		`slowest: ${slowest.milliseconds.toFixed(0)} ms (seed ${slowest.seed}); ${crashes.length} crashes`,
	);
	return crashes.length === 0 && agreed >= agreementMin * compared;
}

/** The whole lines of a file of verdicts; what a run was writing when it was stopped is left out. */
function readVerdicts(path: string): Judged[] {
	if (!existsSync(path)) return [];
	const lines = readFileSync(path, 'utf8').split('\n');
	const unfinished = lines.pop() ?? '';
	if (unfinished !== '') appendFileSync(path, '\n');
	return lines.filter(isWhole).map(line => JSON.parse(line) as Judged);
}

function isWhole(line: string): boolean {
	return line.startsWith('{') && line.endsWith('}');
}

async function runMany(folder: string): Promise<number> {
	const {verdicts} = values;
	const campaign = await runCampaign({
		folder,
		seed: Number(values.seed),
		count: Number(values.count),
		jobs: Number(values.jobs),
		known: verdicts === undefined ? [] : readVerdicts(verdicts),
		onJudged: (judged, soFar) => {
			if (verdicts !== undefined) appendFileSync(verdicts, `${JSON.stringify(judged)}\n`);
			if (soFar.judged % 1000 !== 0) return;
			print(`${soFar.judged} judged, ${agreementText(soFar)}, ${soFar.crashes.length} crashes`);
		},
	});
	const results = resolve(import.meta.dirname, '../../../results/check-mutations');
	mkdirSync(results, {recursive: true});
	const path = join(results, 'disagreements.json');
	writeFileSync(path, JSON.stringify(campaign.disagreements, undefined, '\t'));
	print(`disagreements with their stories: ${path}`);
	return printCampaign(campaign) && campaign.judged === Number(values.count) ? 0 : 1;
}

function runOne(folder: string, seed: number): number {
	const mutator = new CheckMutator(makeCleanBases(folder));
	const {save} = values;
	if (save !== undefined) mutator.with(seed, ({bytes}) => writeFileSync(save, bytes));
	print(JSON.stringify(judgeSeed(mutator, seed, folder), undefined, '  '));
	return 0;
}

async function main(): Promise<number> {
	const folder = values.base ?? mkdtempSync(join(tmpdir(), 'ext4box-check-'));
	try {
		const {only} = values;
		return only === undefined ? await runMany(folder) : runOne(folder, Number(only));
	} finally {
		if (values.base === undefined) rmSync(folder, {recursive: true, force: true});
	}
}

if (values.help) process.stdout.write(usage);
else process.exitCode = await main();
