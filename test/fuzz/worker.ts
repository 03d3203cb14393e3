/**
 * A process that makes inputs and runs them, one after another, and tells whoever started it on
 * descriptor 3: a line `at RECIPE` before each, so that it is known what it hangs on, and lines of
 * JSON with counts, finds and failures. A `Task` comes on its standard input.
 *
 * An input is a recipe that was worth keeping with one seed more, or a new one. It is kept when it
 * takes a branch that no input of its drive has taken, or one about as often as none has.
 */
import {readFileSync, writeSync} from 'node:fs';
import {getHeapStatistics} from 'node:v8';
import type {Drives as DrivesType, Outcome} from './drives.ts';
import {Feedback} from './feedback.ts';
import {counterFiles, installCounters} from './instrument.ts';
import {Random} from './random.ts';
import {type DriveName, formatRecipe, parseRecipe, type Recipe} from './recipe.ts';

export type Task = {
	readonly seed: number;
	/** Inputs to be run of each drive, in turns. */
	readonly counts: {readonly [drive in DriveName]?: number};
	/** Recipes to start from; run first, and not counted. */
	readonly corpus: readonly string[];
	/** Run these alone, and keep none. */
	readonly only?: readonly string[];
};

export type Counts = {
	inputs: number;
	believed: number;
	/** Of images of at most 1 MiB. */
	small: number;
	branches: number;
};

export type Failure = {
	readonly recipe: string;
	readonly kind: 'crash' | 'hang' | 'memory' | 'death';
	readonly detail: string;
};

export type Message =
	| {readonly kind: 'failure'; readonly failure: Failure}
	| {readonly kind: 'find'; readonly recipe: string; readonly isBranch: boolean}
	| {
			readonly kind: 'counts';
			readonly drives: {readonly [drive: string]: Counts};
			readonly codes: readonly string[];
			readonly slowest: {readonly milliseconds: number; readonly recipe: string};
			readonly memoryBytes: number;
	  }
	| {readonly kind: 'branches'; readonly reached: number; readonly files: FileBranches};

/** Branches of each file: those reached, by the drives together, and all. */
export type FileBranches = {readonly [file: string]: readonly [reached: number, all: number]};

/** Of the processor. */
export const hangMilliseconds = 2000;
/** Beyond what the process has once it is warm, caches included. */
export const memoryBytesMax = 256 << 20;

/** Of the clock: what takes longer is timed again. */
const slowMilliseconds = 200;
const seedsMax = 8;
const smallBytes = 1 << 20;
const reportEvery = 256;
const warmInputs = 300;
const channel = 3;

function send(message: Message): void {
	writeSync(channel, `${JSON.stringify(message)}\n`);
}

/** Buffers that are alive or not yet collected, in bytes. */
function bufferBytes(): number {
	return getHeapStatistics().external_memory;
}

type Kept = {readonly recipes: Recipe[]; readonly feedback: Feedback};

class Worker {
	readonly #drives: DrivesType;
	readonly #task: Task;
	readonly #random: Random;
	readonly #kept = new Map<DriveName, Kept>();
	readonly #counts: {[drive: string]: Counts} = {};
	readonly #codes = new Set<string>();
	#slowest = {milliseconds: 0, recipe: ''};
	#inputs = 0;
	#memoryAtStart = 0;
	#memoryBytes = 0;

	constructor(drives: DrivesType, task: Task) {
		this.#drives = drives;
		this.#task = task;
		this.#random = new Random(task.seed);
	}

	#keptOf(drive: DriveName): Kept {
		const known = this.#kept.get(drive);
		if (known !== undefined) return known;
		const kept = {recipes: [], feedback: new Feedback()};
		this.#kept.set(drive, kept);
		return kept;
	}

	async run(): Promise<void> {
		const {only, corpus, counts} = this.#task;
		if (only !== undefined) {
			for (const text of only) await this.#run(parseRecipe(text), true);
		} else {
			for (const text of corpus) await this.#run(parseRecipe(text), false);
			const left = {...counts};
			for (let drive = this.#next(left); drive !== undefined; drive = this.#next(left)) {
				await this.#run(this.#make(drive), true);
			}
		}
		this.#report();
		this.#reportBranches();
	}

	/** A drive, in proportion to what is left for it to do. */
	#next(left: {[drive in DriveName]?: number}): DriveName | undefined {
		const sum = Object.values(left).reduce((all, count) => all + count, 0);
		if (sum === 0) return undefined;
		const drive = this.#random.weighted(left as {[drive in DriveName]: number});
		left[drive] = (left[drive] ?? 0) - 1;
		return drive;
	}

	#make(drive: DriveName): Recipe {
		const random = this.#random;
		const {recipes} = this.#keptOf(drive);
		const seed = random.u32();
		if (recipes.length === 0 || random.chance(0.3)) {
			const bases = this.#drives.basesOf(drive);
			const any = () => ({drive, base: random.pick(bases), seeds: [seed]});
			return this.#smaller(any(), any());
		}
		// What was found lately is followed more often.
		const from = random.chance(0.3) ? Math.max(0, recipes.length - 50) : 0;
		const any = () => recipes[from + random.below(recipes.length - from)] ?? random.pick(recipes);
		const parent = this.#smaller(any(), any());
		const seeds = [...parent.seeds];
		if (seeds.length >= seedsMax || random.chance(0.15))
			seeds.splice(random.below(seeds.length), 1);
		seeds.splice(random.below(seeds.length + 1), 0, seed);
		return {...parent, seeds};
	}

	/** Larger images hold little more that could go wrong, and take longer. */
	#smaller(a: Recipe, b: Recipe): Recipe {
		return this.#drives.sizeOf(a) <= this.#drives.sizeOf(b) ? a : b;
	}

	async #run(recipe: Recipe, isCounted: boolean): Promise<void> {
		const text = formatRecipe(recipe);
		writeSync(channel, `at ${text}\n`);
		const {recipes, feedback} = this.#keptOf(recipe.drive);
		const buffersBefore = bufferBytes();
		const started = performance.now();
		Feedback.begin();
		const outcome = await this.#outcomeOf(recipe, text);
		const waited = performance.now() - started;
		const {branches, frequencies} = feedback.take();
		if (branches > 0 || frequencies > 0) recipes.push(recipe);
		if (isCounted && (branches > 0 || this.#task.only !== undefined)) {
			send({kind: 'find', recipe: text, isBranch: branches > 0});
		}
		if (isCounted) this.#count(recipe, outcome);
		const newBytes = bufferBytes() - buffersBefore;
		const milliseconds = waited < slowMilliseconds ? waited : await this.#timeOf(recipe, text);
		this.#watch(text, milliseconds, newBytes);
		if (++this.#inputs % reportEvery === 0) this.#report();
	}

	async #outcomeOf(recipe: Recipe, text: string): Promise<Outcome | undefined> {
		try {
			return await this.#drives.run(recipe);
		} catch {
			// A stack costs more than most inputs: it is taken when it is wanted.
			Error.stackTraceLimit = 30;
			try {
				await this.#drives.run(recipe);
				send({kind: 'failure', failure: {recipe: text, kind: 'crash', detail: 'not again'}});
			} catch (error) {
				const detail = error instanceof Error ? (error.stack ?? String(error)) : String(error);
				send({kind: 'failure', failure: {recipe: text, kind: 'crash', detail}});
			}
			Error.stackTraceLimit = 0;
			return undefined;
		}
	}

	#count(recipe: Recipe, outcome: Outcome | undefined): void {
		const counts = this.#counts[recipe.drive] ?? {inputs: 0, believed: 0, small: 0, branches: 0};
		counts.inputs++;
		const size = this.#drives.sizeOf(recipe);
		if (size > 0 && size <= smallBytes) counts.small++;
		if (outcome?.wasBelieved === true) counts.believed++;
		for (const code of outcome?.codes ?? []) this.#codes.add(code);
		this.#counts[recipe.drive] = counts;
	}

	/** The clock of a busy machine says little: what took long is run again, by the processor's. */
	async #timeOf(recipe: Recipe, text: string): Promise<number> {
		const before = process.cpuUsage();
		await this.#outcomeOf(recipe, text);
		const {user, system} = process.cpuUsage(before);
		return (user + system) / 1000;
	}

	#watch(recipe: string, milliseconds: number, newBufferBytes: number): void {
		const fail = (kind: Failure['kind'], detail: string) =>
			send({kind: 'failure', failure: {recipe, kind, detail}});
		if (milliseconds > this.#slowest.milliseconds) this.#slowest = {milliseconds, recipe};
		if (milliseconds > hangMilliseconds) fail('hang', `${milliseconds} ms of the processor`);
		if (newBufferBytes > memoryBytesMax) fail('memory', `${newBufferBytes} bytes of buffers`);
		if (this.#inputs === warmInputs) this.#memoryAtStart = process.memoryUsage.rss();
		if (this.#inputs < warmInputs || this.#inputs % 16 !== 0) return;
		const grown = process.memoryUsage.rss() - this.#memoryAtStart;
		this.#memoryBytes = Math.max(this.#memoryBytes, grown);
		if (grown > memoryBytesMax) {
			fail('memory', `${grown} bytes more than at the start`);
			this.#memoryAtStart += grown;
		}
	}

	#report(): void {
		const drives = Object.fromEntries(
			Object.entries(this.#counts).map(([drive, counts]) => {
				const {feedback} = this.#keptOf(drive as DriveName);
				return [drive, {...counts, branches: feedback.branches().length}];
			}),
		);
		send({
			kind: 'counts',
			drives,
			codes: [...this.#codes],
			slowest: this.#slowest,
			memoryBytes: this.#memoryBytes,
		});
	}

	#reportBranches(): void {
		const reached = new Set([...this.#kept.values()].flatMap(({feedback}) => feedback.branches()));
		const files: {[file: string]: [number, number]} = {};
		counterFiles.forEach((file, index) => {
			const counts = files[file] ?? [0, 0];
			counts[1]++;
			if (reached.has(index)) counts[0]++;
			files[file] = counts;
		});
		send({kind: 'branches', reached: reached.size, files});
	}
}

async function main(): Promise<void> {
	const task = JSON.parse(readFileSync(0, 'utf8')) as Task;
	installCounters();
	const {Drives} = await import('./drives.ts');
	Error.stackTraceLimit = 0;
	await new Worker(new Drives(), task).run();
}

if (import.meta.main) await main();
