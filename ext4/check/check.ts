/**
 * The checker's front door. `check` yields findings as they come and returns a summary; it never
 * writes, and never throws for what an image or its device says.
 */
import type {BlockDevice} from '../device.ts';
import {parseSuperblock} from '../superblock.ts';
import {checkBitmaps} from './bitmaps.ts';
import {type FindingCode, findingTable} from './codes.ts';
import {checkConnectivity} from './connectivity.ts';
import type {Severity} from './definition.ts';
import {checkDirectories} from './directories.ts';
import {type Finding, makeFinding, type PassName} from './finding.ts';
import {FindingQueue} from './finding-queue.ts';
import {FixedPlaces} from './fixed.ts';
import {InodeFacts} from './inode-facts.ts';
import {InodeScan} from './inode-scan.ts';
import {checkInodes} from './inodes.ts';
import {type NotOpened, type Opened, openForCheck} from './open.ts';
import {gatherOrphans} from './orphan-list.ts';
import {checkQuota} from './quota.ts';
import {checkReferences} from './references.ts';
import {CheckState, type GivenUp, type Progress, type SharedState, type Totals} from './state.ts';
import {checkVolume, scannedInodes} from './volume.ts';

/** One piece of a pass that a worker can do: a range of groups' inodes. Groups up to, not with, `to`. */
export type CheckTask = {readonly pass: 'inodes'; readonly from: number; readonly to: number};

/** What a worker gives back, by structured clone. */
export type CheckTaskResult = {
	readonly findings: readonly Finding[];
	/** All that was found, what is not among `findings` for its number too. */
	readonly counts: ReadonlyMap<FindingCode, number>;
	readonly givenUp: readonly GivenUp[];
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
	/** Findings that are yielded, each perhaps for several; the rest is counted. 10,000 by default. */
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
	/** As found, the reserved ones and the file system's own files counted in; e2fsck's count. */
	readonly usedInodeCount: number;
	/** The inodes before it are reserved, and counted as used though most have no file. */
	readonly firstInode: number;
	readonly blockSize: number;
	readonly blockCount: number;
	readonly firstDataBlock: number;
	/** As found, not as the superblock counts. */
	readonly usedBlockCount: number;
};

type Pass = (state: CheckState) => Generator<void>;

/** The passes after the inodes, in their order. */
const laterPasses: readonly (readonly [PassName, Pass])[] = [
	['directories', checkDirectories],
	['connectivity', checkConnectivity],
	['references', checkReferences],
	['bitmaps', checkBitmaps],
	['quota', checkQuota],
];

const findingsDefault = 10_000;

/**
 * Checks the file system on `device`, as if its journal had been replayed. Findings are yielded as
 * they are made, pass by pass; the return value is the summary. Throws only for faults of our own.
 */
export function* check(
	device: BlockDevice,
	options: CheckOptions = {},
): Generator<Finding, CheckSummary, void> {
	const opened = openForCheck(device);
	const findingsMax = options.maxFindings ?? findingsDefault;
	if (opened.kind !== 'opened') return yield* tellWhyNot(opened);
	const state = new CheckState(opened, findingsMax);
	for (const {code, place, values} of opened.findings) state.report(code, place, values);
	const fixed = new FixedPlaces(state);
	const refusal = checkVolume(state, fixed);
	fixed.release();
	yield* state.takeFindings(true);
	if (refusal !== undefined) return summarize(state, opened, 'refused', refusal);
	state.inodes = new InodeFacts(state.geometry, scannedInodes(state));
	// Orphans wait for the mount after a crash; after a clean end there are none.
	if (opened.recovery !== undefined) gatherOrphans(state);
	const inodes: Pass = () => checkInodes(state, options.jobs);
	for (const [name, pass] of [['inodes', inodes] as const, ...laterPasses]) {
		state.pass = name;
		state.setProgress(0, 1);
		for (const _ of pass(state)) {
			options.progress?.(state.progress);
			yield* state.takeFindings(false);
		}
		yield* state.takeFindings(true);
	}
	return summarize(state, opened, 'checked', undefined);
}

/** Findings made before there was a state to report to. */
function* tellWhyNot(notOpened: NotOpened): Generator<Finding, CheckSummary, void> {
	const codes = new Map<FindingCode, number>();
	const queue = new FindingQueue();
	for (const {code, place, values} of notOpened.findings) {
		codes.set(code, (codes.get(code) ?? 0) + 1);
		const finding = makeFinding('volume', code, place, values);
		if (!queue.join(finding)) queue.push(finding);
	}
	yield* queue.take(true);
	return {
		outcome: notOpened.kind,
		reason: notOpened.reason,
		advice: notOpened.advice,
		severities: severitiesOf(codes),
		codes,
		volume: undefined,
		givenUp: [],
		replayed: undefined,
		memoryBytes: 0,
	};
}

/** All but what is free, as e2fsck counts: what lies before the first group is in use. */
function usedBlocksOf({claims, geometry}: CheckState): number {
	const freeClusters = claims.clusterCount - claims.countClaimed();
	return geometry.blockCount - freeClusters * 2 ** geometry.clusterBits;
}

function severitiesOf(codes: ReadonlyMap<FindingCode, number>): CheckSummary['severities'] {
	const counts = {error: 0, warning: 0, note: 0};
	for (const [code, count] of codes) counts[findingTable[code].severity] += count;
	return counts;
}

function summarize(
	state: CheckState,
	opened: Opened,
	outcome: Outcome,
	reason: string | undefined,
): CheckSummary {
	const {geometry} = state;
	const {recovery} = opened;
	const replayed =
		recovery === undefined
			? undefined
			: {
					transactions: recovery.transactions,
					blocks: recovery.blocksReplayed,
					fastCommits: recovery.fastCommits.operations.length,
				};
	return {
		outcome,
		reason,
		advice: undefined,
		severities: severitiesOf(state.counts),
		codes: state.counts,
		volume: {
			totals: state.totals,
			inodeCount: geometry.inodeCount,
			usedInodeCount: state.inodes.countUsed(geometry.firstInode),
			firstInode: geometry.firstInode,
			blockSize: geometry.blockSize,
			blockCount: geometry.blockCount,
			firstDataBlock: geometry.firstDataBlock,
			usedBlockCount: usedBlocksOf(state),
		},
		givenUp: state.givenUp,
		replayed,
		memoryBytes: state.memoryBytes(),
	};
}

/** Does one task in a worker; `device` must show the same bytes as the one that is checked. */
export function runCheckTask(
	device: BlockDevice,
	shared: SharedState,
	task: CheckTask,
	findingsMax = findingsDefault,
): CheckTaskResult {
	const superblock = parseSuperblock(shared.superblockBytes);
	const state = new CheckState({...shared, device, superblock}, findingsMax, shared);
	state.pass = task.pass;
	const scan = new InodeScan(state);
	const steps = scan.run(task.from, task.to);
	while (steps.next().done !== true);
	const {counts, givenUp} = state;
	return {findings: state.takeFindings(true), counts, givenUp, data: scan.finish()};
}
