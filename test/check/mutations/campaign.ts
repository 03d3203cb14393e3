/** Judges many seeds in processes of their own, and ends those that take too long over one. */
import {spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {makeCleanBases} from './bases.ts';
import type {Judged} from './compare.ts';

export type Options = {
	readonly folder: string;
	readonly seed: number;
	readonly count: number;
	readonly jobs: number;
	/** Called after a verdict was counted in. */
	readonly onJudged?: (judged: Judged, campaign: Campaign) => void;
	/** Verdicts of a run that was stopped: they are counted, and their seeds not judged again. */
	readonly known?: readonly Judged[];
};

export type Campaign = {
	judged: number;
	/** Both object, or neither does. */
	agreed: number;
	/** And say the same of whether it could be checked. */
	agreedExactly: number;
	/** e2fsck gave none. */
	withoutVerdict: number;
	slowest: {seed: number; milliseconds: number};
	readonly disagreements: Judged[];
	readonly crashes: {readonly seed: number; readonly detail: string}[];
};

/** Of the clock, and so long that only what never ends takes it on a busy machine. */
const secondsWithoutWord = 120;
const workerPath = fileURLToPath(new URL('./worker.ts', import.meta.url));

export async function runCampaign(options: Options): Promise<Campaign> {
	makeCleanBases(options.folder); // Once, before the workers look for them.
	const campaign: Campaign = {
		judged: 0,
		agreed: 0,
		agreedExactly: 0,
		withoutVerdict: 0,
		slowest: {seed: 0, milliseconds: 0},
		disagreements: [],
		crashes: [],
	};
	const end = options.seed + options.count;
	const known = new Set<number>();
	for (const judged of options.known ?? []) {
		if (judged.seed < options.seed || judged.seed >= end || known.has(judged.seed)) continue;
		known.add(judged.seed);
		take(campaign, judged);
	}
	const jobs = Array.from({length: options.jobs}, async (_, job) => {
		let next: number | undefined = options.seed + job;
		while (next !== undefined && known.has(next)) next += options.jobs;
		while (next !== undefined && next < end) next = await runWorker(options, campaign, next, end);
	});
	await Promise.all(jobs);
	return campaign;
}

/** Resolves to the seed to go on with where the process ended before its time. */
async function runWorker(
	options: Options,
	campaign: Campaign,
	from: number,
	end: number,
): Promise<number | undefined> {
	const args = [options.folder, from, end, options.jobs].map(String);
	const child = spawn(process.execPath, ['--max-old-space-size=400', workerPath, ...args], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	const closed = new Promise<number | null>(resolve => child.on('close', resolve));
	let current: number | undefined;
	const newWatch = () => setTimeout(() => child.kill('SIGKILL'), secondsWithoutWord * 1000);
	let watch = newWatch();
	for await (const line of createInterface({input: child.stdout})) {
		clearTimeout(watch);
		watch = newWatch();
		if (line.startsWith('begin ')) {
			current = Number(line.slice('begin '.length));
			continue;
		}
		current = undefined;
		const judged = JSON.parse(line.slice('end '.length)) as Judged;
		take(campaign, judged);
		options.onJudged?.(judged, campaign);
	}
	clearTimeout(watch);
	const code = await closed;
	if (code === 0) return undefined;
	if (current === undefined) throw new Error(`a worker ended with ${code} before its first seed`);
	campaign.crashes.push({seed: current, detail: `the process ended (${code ?? 'killed'})`});
	return current + options.jobs;
}

function take(campaign: Campaign, judged: Judged): void {
	campaign.judged++;
	if (judged.milliseconds > campaign.slowest.milliseconds) campaign.slowest = judged;
	if (judged.crash !== undefined) {
		campaign.crashes.push({seed: judged.seed, detail: judged.crash});
	}
	if (judged.theirs === undefined) {
		campaign.withoutVerdict++;
		return;
	}
	if (judged.theirs === judged.ours) campaign.agreedExactly++;
	if ((judged.theirs === 0) === (judged.ours === 0)) campaign.agreed++;
	else campaign.disagreements.push(judged);
}

/** `99.57 % of 2991 (13 disagree)`: how many verdicts agree that something is wrong, or that nothing is. */
export function agreementText({judged, withoutVerdict, agreed}: Campaign): string {
	const compared = judged - withoutVerdict;
	const percent = ((agreed / Math.max(1, compared)) * 100).toFixed(2);
	return `${percent} % of ${compared} (${compared - agreed} disagree)`;
}

/** Disagreements that look alike: who objects, and over what. */
export function classesOf(
	disagreements: readonly Judged[],
): {readonly title: string; readonly of: readonly Judged[]}[] {
	const classes = new Map<string, Judged[]>();
	for (const judged of disagreements) {
		const title =
			judged.theirs === 0
				? `only ours: ${judged.ourCodes.join(' ')}`
				: `only e2fsck's: ${judged.theirProblems.join(' ')}`;
		const list = classes.get(title) ?? [];
		list.push(judged);
		classes.set(title, list);
	}
	return [...classes].map(([title, of]) => ({title, of})).sort((a, b) => b.of.length - a.of.length);
}
