/**
 * Runs many inputs in processes of their own, and watches over their time and their memory. Each
 * process takes a share, tells what it found worth keeping, and ends; the next begins with that.
 */
import {spawn} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {DriveName} from './recipe.ts';
import {
	type Counts,
	type Failure,
	hangMilliseconds,
	type Message,
	memoryBytesMax,
	type Task,
} from './worker.ts';

export type DriveCounts = {readonly [drive in DriveName]?: number};

export type Summary = {
	readonly drives: {[drive: string]: Counts};
	readonly codes: Set<string>;
	slowest: {milliseconds: number; recipe: string};
	/** The most that a process grew by since it was warm. */
	memoryBytes: number;
	readonly failures: Failure[];
	/** Recipes that reached something new, in the order in which they were found. */
	readonly finds: string[];
	readonly files: {[file: string]: [reached: number, all: number]};
	seconds: number;
};

export type CampaignOptions = {
	readonly seed: number;
	readonly counts: DriveCounts;
	readonly corpus: readonly string[];
	readonly jobs: number;
	/** No process is started after this many minutes. */
	readonly minutes: number;
	readonly onShare?: (summary: Summary) => void;
};

const shareInputs = 25_000;
/** Of the clock: an input that waits for something instead of working. */
const waitMilliseconds = 120_000;
/** The heap of V8, in MiB: what asks for more ends its process. */
const heapMiB = 320;
const workerPath = fileURLToPath(new URL('./worker.ts', import.meta.url));

function newSummary(): Summary {
	return {
		drives: {},
		codes: new Set(),
		slowest: {milliseconds: 0, recipe: ''},
		memoryBytes: 0,
		failures: [],
		finds: [],
		files: {},
		seconds: 0,
	};
}

function sumOf(counts: DriveCounts): number {
	return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** The same mixture, of at most `max` inputs. */
function shareOf(left: DriveCounts, max: number): DriveCounts {
	const factor = Math.min(1, max / sumOf(left));
	const share = Object.entries(left).map(([drive, count]) => [drive, Math.ceil(count * factor)]);
	return Object.fromEntries(share) as DriveCounts;
}

export async function runCampaign(options: CampaignOptions): Promise<Summary> {
	const summary = newSummary();
	const started = performance.now();
	const left: {[drive: string]: number} = {...options.counts};
	const max = Math.max(1, Math.min(shareInputs, Math.ceil(sumOf(left) / options.jobs)));
	let share = 0;
	const next = (): Task | undefined => {
		const isLate = performance.now() - started > options.minutes * 60_000;
		if (isLate || sumOf(left) === 0) return undefined;
		const counts = shareOf(left, max);
		for (const [drive, count] of Object.entries(counts)) {
			left[drive] = Math.max(0, (left[drive] ?? 0) - count);
		}
		const seed = options.seed * 1_000_003 + share++;
		return {seed, counts, corpus: [...options.corpus, ...summary.finds]};
	};
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-fuzz-'));
	try {
		const job = async () => {
			for (let task = next(); task !== undefined; task = next()) {
				await runTask(task, summary, folder);
				summary.seconds = (performance.now() - started) / 1000;
				options.onShare?.(summary);
			}
		};
		await Promise.all(Array.from({length: options.jobs}, job));
	} finally {
		rmSync(folder, {recursive: true});
	}
	return summary;
}

/** Runs just these recipes; `finds` are those that reached a branch that those before did not. */
export async function runRecipes(recipes: readonly string[]): Promise<Summary> {
	const summary = newSummary();
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-fuzz-'));
	try {
		await runTask({seed: 1, counts: {}, corpus: [], only: recipes}, summary, folder);
	} finally {
		rmSync(folder, {recursive: true});
	}
	return summary;
}

/** One process, from its beginning to its end or its death. */
function runTask(task: Task, summary: Summary, folder: string): Promise<void> {
	const child = spawn(
		process.execPath,
		['--no-warnings', `--max-old-space-size=${heapMiB}`, workerPath],
		{cwd: folder, stdio: ['pipe', 'ignore', 'pipe', 'pipe']},
	);
	// A process that dies at once does not hear us out; its death is told below.
	child.stdin?.on('error', () => {});
	child.stdin?.end(JSON.stringify(task));
	let current = '';
	let since = performance.now();
	let cpuBefore = 0;
	let rest = '';
	let stderr = '';
	let killed: 'hang' | 'memory' | undefined;
	let drives: {readonly [drive: string]: Counts} = {};
	child.stderr?.on('data', (data: Buffer) => {
		// What the command line says to a user is no news here.
		const lines = data
			.toString()
			.split('\n')
			.filter(line => !line.startsWith('ext4box: '));
		stderr = (stderr + lines.join('\n')).slice(-4000);
	});
	child.stdio[3]?.on('data', (data: Buffer) => {
		const lines = (rest + data.toString()).split('\n');
		rest = lines.pop() ?? '';
		for (const line of lines) {
			if (line.startsWith('at ')) {
				current = line.slice(3);
				continue;
			}
			const message = JSON.parse(line) as Message;
			if (message.kind === 'counts') drives = message.drives;
			take(summary, message);
		}
		since = performance.now();
		cpuBefore = processorMilliseconds(child.pid);
	});
	const watch = setInterval(() => {
		// The last line came with the last piece that was read: so long it has worked on that input.
		const used = processorMilliseconds(child.pid) - cpuBefore;
		const waited = performance.now() - since;
		if (current !== '' && (used > 2 * hangMilliseconds || waited > waitMilliseconds))
			killed = 'hang';
		else if (residentBytes(child.pid) > 2 * memoryBytesMax) killed = 'memory';
		if (killed !== undefined) child.kill('SIGKILL');
	}, 250);
	return new Promise(resolve => {
		child.on('close', (code, signal) => {
			clearInterval(watch);
			for (const [drive, counts] of Object.entries(drives)) addCounts(summary, drive, counts);
			if (code !== 0) {
				const detail = `${code ?? signal}: ${stderr.trim()}`;
				summary.failures.push({recipe: current, kind: killed ?? 'death', detail});
			}
			resolve();
		});
	});
}

function addCounts(summary: Summary, drive: string, counts: Counts): void {
	const sum = summary.drives[drive] ?? {inputs: 0, believed: 0, small: 0, branches: 0};
	summary.drives[drive] = {
		inputs: sum.inputs + counts.inputs,
		believed: sum.believed + counts.believed,
		small: sum.small + counts.small,
		branches: Math.max(sum.branches, counts.branches),
	};
}

function take(summary: Summary, message: Message): void {
	switch (message.kind) {
		case 'failure':
			summary.failures.push(message.failure);
			break;
		case 'find':
			if (message.isBranch) summary.finds.push(message.recipe);
			break;
		case 'branches':
			for (const [file, [reached, all]] of Object.entries(message.files)) {
				summary.files[file] = [Math.max(reached, summary.files[file]?.[0] ?? 0), all];
			}
			break;
		case 'counts': {
			for (const code of message.codes) summary.codes.add(code);
			const {slowest, memoryBytes} = message;
			if (slowest.milliseconds > summary.slowest.milliseconds) summary.slowest = slowest;
			summary.memoryBytes = Math.max(summary.memoryBytes, memoryBytes);
			break;
		}
	}
}

/** What a process has used of the processor; the clock where the system does not say. */
function processorMilliseconds(pid: number | undefined): number {
	const path = `/proc/${pid}/stat`;
	if (!existsSync('/proc/self/stat')) return performance.now();
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
	try {
		return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
	} catch {
		return 0; // It has just ended, or there is no /proc.
	}
}
