/** Runs many seeds in processes of their own, and watches over their time and their memory. */
import {spawn} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

export type Failure = {
	readonly seed: number;
	readonly kind: 'crash' | 'hang' | 'memory' | 'death';
	readonly base: string;
	readonly detail: string;
};

export type Summary = {
	images: number;
	passedSuperblock: number;
	opened: number;
	withoutError: number;
	milliseconds: number;
	slowest: {seed: number; milliseconds: number};
	rssMax: number;
	readonly codes: Map<string, number>;
	readonly bases: Map<string, number>;
	readonly failures: Failure[];
};

export type CampaignOptions = {
	readonly folder: string;
	readonly withKernel: boolean;
	readonly seed: number;
	readonly count: number;
	readonly jobs: number;
	/** Where each process leaves its V8 coverage; undefined for none. */
	readonly coverage: string | undefined;
	readonly onImage?: (images: number) => void;
};

type Line = {
	readonly seed: number;
	readonly base: string;
	readonly milliseconds: number;
	readonly crash?: string;
	readonly hasResult: boolean;
	readonly passedSuperblock?: boolean;
	readonly opened?: boolean;
	readonly errors: readonly (readonly [string, number])[];
	readonly rss: number;
};

/** Of the processor, so that a busy machine makes no hang; of the clock, so that a wait is one. */
export const hangMilliseconds = 10_000;
const waitMilliseconds = 60_000;
export const memoryBytesMax = 512 << 20;

const workerPath = fileURLToPath(new URL('./worker.ts', import.meta.url));

export function newSummary(): Summary {
	return {
		images: 0,
		passedSuperblock: 0,
		opened: 0,
		withoutError: 0,
		milliseconds: 0,
		slowest: {seed: 0, milliseconds: 0},
		rssMax: 0,
		codes: new Map(),
		bases: new Map(),
		failures: [],
	};
}

export async function runCampaign(options: CampaignOptions): Promise<Summary> {
	const summary = newSummary();
	const end = options.seed + options.count;
	const jobs = Array.from({length: options.jobs}, (_, job) =>
		runJob(options, summary, options.seed + job, end),
	);
	await Promise.all(jobs);
	return summary;
}

/** One process after another, until the seeds of this job are done. */
async function runJob(
	options: CampaignOptions,
	summary: Summary,
	from: number,
	end: number,
): Promise<void> {
	let next = from;
	while (next < end) {
		const stopped = await runProcess(options, summary, next, end);
		next = stopped === undefined ? end : stopped + options.jobs;
	}
}

/** Resolves to the seed that the process ended on before its time, or undefined if it went well. */
function runProcess(
	options: CampaignOptions,
	summary: Summary,
	from: number,
	end: number,
): Promise<number | undefined> {
	const {coverage} = options;
	const child = spawn(
		process.execPath,
		[
			'--max-old-space-size=400',
			workerPath,
			...[options.folder, options.withKernel, from, end, options.jobs].map(String),
		],
		{
			stdio: ['ignore', 'pipe', 'pipe'],
			env: {...process.env, ...(coverage === undefined ? {} : {NODE_V8_COVERAGE: coverage})},
		},
	);
	let current: number | undefined;
	let since = performance.now();
	let cpuBefore = 0;
	let rest = '';
	let stderr = '';
	let killed: 'hang' | 'memory' | undefined;
	child.stderr.on('data', (data: Buffer) => {
		stderr = (stderr + data.toString()).slice(-4000);
	});
	child.stdout.on('data', (data: Buffer) => {
		const lines = (rest + data.toString()).split('\n');
		rest = lines.pop() ?? '';
		for (const line of lines) {
			since = performance.now();
			if (line.startsWith('begin ')) {
				current = Number(line.slice(6));
				cpuBefore = processorMilliseconds(child.pid);
			} else {
				current = undefined;
				take(summary, JSON.parse(line.slice(4)) as Line);
				options.onImage?.(summary.images);
			}
		}
	});
	const watch = setInterval(() => {
		if (current === undefined) return;
		const used = processorMilliseconds(child.pid) - cpuBefore;
		if (used > hangMilliseconds || performance.now() - since > waitMilliseconds) killed = 'hang';
		else if (residentBytes(child.pid) > memoryBytesMax) killed = 'memory';
		if (killed !== undefined) child.kill('SIGKILL');
	}, 250);
	return new Promise(resolve => {
		child.on('close', (code, signal) => {
			clearInterval(watch);
			if (code === 0) return resolve(undefined);
			const seed = current ?? from;
			const detail = `${code ?? signal}: ${stderr.trim()}`;
			summary.failures.push({seed, kind: killed ?? 'death', base: '', detail});
			resolve(seed);
		});
	});
}

/** What a process has used of the processor; the clock where the system does not say. */
function processorMilliseconds(pid: number | undefined): number {
	const path = `/proc/${pid}/stat`;
	if (!existsSync(path)) return performance.now();
	try {
		const fields = readFileSync(path, 'utf8').split(') ')[1]?.split(' ') ?? [];
		const ticks = Number(fields[11]) + Number(fields[12]); // utime, stime: a hundred a second.
		return ticks * 10;
	} catch {
		return 0; // It has just ended.
	}
}

/** 0 where the system does not say. */
function residentBytes(pid: number | undefined): number {
	const path = `/proc/${pid}/statm`;
	if (!existsSync(path)) return 0;
	try {
		return Number(readFileSync(path, 'utf8').split(' ')[1]) * 4096;
	} catch {
		return 0; // It has just ended.
	}
}

function take(summary: Summary, line: Line): void {
	summary.images++;
	summary.milliseconds += line.milliseconds;
	if (line.milliseconds > summary.slowest.milliseconds) {
		summary.slowest = {seed: line.seed, milliseconds: line.milliseconds};
	}
	summary.rssMax = Math.max(summary.rssMax, line.rss);
	summary.bases.set(line.base, (summary.bases.get(line.base) ?? 0) + 1);
	const fail = (kind: Failure['kind'], detail: string) =>
		summary.failures.push({seed: line.seed, kind, base: line.base, detail});
	if (line.crash !== undefined) fail('crash', line.crash);
	if (line.milliseconds > hangMilliseconds) fail('hang', `${line.milliseconds} ms`);
	if (line.rss > memoryBytesMax) fail('memory', `${line.rss} bytes resident`);
	// A crash came after the superblock: what it throws is never thrown.
	if (line.passedSuperblock ?? !line.hasResult) summary.passedSuperblock++;
	if (line.opened ?? !line.hasResult) summary.opened++;
	if (line.hasResult && line.errors.length === 0) summary.withoutError++;
	for (const [code] of line.errors) summary.codes.set(code, (summary.codes.get(code) ?? 0) + 1);
}
