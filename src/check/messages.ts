/** What the threads of a check tell one another. All of it survives structured clone. */
import type {CheckSummary, CheckTask, CheckTaskResult} from '../../ext4/check/check.ts';
import type {Finding} from '../../ext4/check/finding.ts';
import type {Progress, SharedState} from '../../ext4/check/state.ts';

/** Where the file system lies behind a descriptor, which all threads of a process share. */
export type DeviceWindow = {
	readonly descriptor: number;
	readonly imageBytes: number;
	readonly startBytes: number;
	readonly sizeBytes: number;
};

/** Given to a thread that takes tasks, with the port on which they come. */
export type ScanSetUp = {
	readonly window: DeviceWindow;
	/** One number, counted up with each answer, so that who waits for any can sleep. */
	readonly answers: SharedArrayBuffer;
};

export type ScanRequest = {
	readonly index: number;
	readonly shared: SharedState;
	readonly task: CheckTask;
};

export type ScanAnswer =
	| {readonly index: number; readonly result: CheckTaskResult}
	| {readonly index: number; readonly fault: string};

/** Given to the thread that runs the passes. */
export type EngineSetUp = {
	readonly window: DeviceWindow;
	readonly maxFindings: number;
	readonly answers: SharedArrayBuffer;
};

export type EngineMessage =
	| {readonly kind: 'findings'; readonly findings: readonly Finding[]}
	| {readonly kind: 'progress'; readonly progress: Progress}
	| {readonly kind: 'summary'; readonly summary: CheckSummary};
