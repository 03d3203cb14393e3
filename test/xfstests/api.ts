/**
 * What a test file says: `export const test = xfstest({title, groups, run(t) {…}})`. The runner
 * imports the file twice: once to read what the test is, and once in a process of its own to run it.
 * docs/xfstests-runner.md tells how to write one.
 */
import type {TestContext, WorkerContext} from './runner/context.ts';
import type {Need} from './runner/needs.ts';

export {Random} from '../fuzz/random.ts';
export * as calls from './calls.ts';
export type {TestContext, User, WorkerContext, WorkerEnd} from './runner/context.ts';
export type {Place} from './runner/place.ts';

export const groups = [
	'auto',
	'quick',
	'rw',
	'metadata',
	'aio',
	'stress',
	'recovery',
	'hostile',
] as const;
export type Group = (typeof groups)[number];

export type ImageOptions = {
	/** As mke2fs takes it; 128M unless given. */
	readonly size?: string;
	/** Arguments of mke2fs, in the place of `-t ext4 -b 4096`. */
	readonly mkfs?: readonly string[];
	/** Mount options that all the file systems know: `ro`, `sync`, `dirsync`, `commit=N`, `noatime`. */
	readonly mount?: string;
	/**
	 * The test damages the image on purpose and leaves it so: then neither checker is asked about it
	 * afterwards. Without a reason it has to be clean.
	 */
	readonly leftDamaged?: string;
};

export type Definition = {
	/** One sentence: what the test shows. */
	readonly title: string;
	/** `quick` is for a test that takes a few seconds on a busy machine at most. */
	readonly groups: readonly Group[];
	/** What the test can't do without. A test whose need is not met is not run, and says why. */
	readonly needs?: readonly Need[];
	readonly image?: ImageOptions;
	/** After so long the test is ended, with all that it has started: 300 unless given. */
	readonly timeLimitSeconds?: number;
	/** What `t.worker(name, …arguments)` runs, each time in a process of its own. */
	readonly workers?: Readonly<
		Record<string, (t: WorkerContext, ...args: string[]) => void | Promise<void>>
	>;
	run(t: TestContext): void | Promise<void>;
};

export function xfstest(definition: Definition): Definition {
	return definition;
}
