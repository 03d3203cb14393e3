/**
 * The checker's front door. `check` yields findings as they come and returns a summary; it never
 * writes, and never throws for what an image or its device says.
 */
import type {BlockDevice} from '../device.ts';
import type {FindingCode} from './codes.ts';
import type {Severity} from './definition.ts';
import type {Finding, PassName} from './finding.ts';
import type {GivenUp, Progress, SharedState, Totals} from './state.ts';

/** One piece of a pass that a worker can do: a range of groups' inodes. Groups up to, not with, `to`. */
export type CheckTask = {readonly pass: 'inodes'; readonly from: number; readonly to: number};

/** What a worker gives back, by structured clone. */
export type CheckTaskResult = {
	readonly findings: readonly Finding[];
	/** What the pass makes of it is its own matter. */
	readonly data: unknown;
};

/**
 * Workers, where the caller has them. `run` gives the results in the order of the tasks; a worker
 * calls `runCheckTask` for each, on a device of its own on the same bytes.
 */
export type CheckJobs = {
	/** How many tasks run at the same time. */
	readonly count: number;
	run(shared: SharedState, tasks: readonly CheckTask[]): Iterable<CheckTaskResult>;
};

export type CheckOptions = {
	/** Findings that are yielded; the rest is counted. 10,000 by default. */
	readonly maxFindings?: number;
	/** Called now and then, at least once a pass. */
	readonly progress?: (progress: Progress) => void;
	readonly jobs?: CheckJobs;
};

/**
 * - `checked`: all passes ran, but for those in `givenUp`.
 * - `unusable`: there is no file system to check, or too little of one is left.
 * - `refused`: the file system is not for us to check: it needs what we do not have, or is in use.
 */
export type Outcome = 'checked' | 'unusable' | 'refused';

/** What the journal holds that was not brought home; the checks saw it replayed. */
export type Replayed = {
	readonly transactions: number;
	readonly blocks: number;
	readonly fastCommits: number;
};

export type CheckSummary = {
	readonly outcome: Outcome;
	/** Why not, in one sentence; undefined where `outcome` is `checked`. */
	readonly reason: string | undefined;
	/** What would help, in one sentence, such as the place of a superblock that is whole. */
	readonly advice: string | undefined;
	readonly severities: {readonly [severity in Severity]: number};
	/** All findings by code, those beyond `maxFindings` counted in. */
	readonly codes: ReadonlyMap<FindingCode, number>;
	/** Undefined where nothing could be opened. */
	readonly volume: CheckedVolume | undefined;
	readonly givenUp: readonly GivenUp[];
	readonly replayed: Replayed | undefined;
	/** Bytes taken for what grows with the image, bitmaps counted in. */
	readonly memoryBytes: number;
};

export type CheckedVolume = {
	readonly totals: Totals;
	readonly inodeCount: number;
	readonly blockSize: number;
	readonly blockCount: number;
	/** As found, not as the superblock counts. */
	readonly usedBlockCount: number;
};

export type {BlockDevice, Finding, GivenUp, PassName, Progress, SharedState};
