/** One piece of work that every system does, and what is aimed for with it. */
import {type Command, readCommand, timeCommand, timeTogether} from './command.ts';

/** ext4box's time is to be at most this multiple of another system's. */
export type Aim =
	| {readonly kind: 'ratio'; readonly against: 'kernel' | 'fuse2fs'; readonly atMost: number}
	| {readonly kind: 'seconds'; readonly atMost: number};

export type Workload = {
	/** Names it in the report and for --only; `name (cold)` where it is cold. */
	readonly name: string;
	/**
	 * Cold: each sample has a fresh mount, and the page cache is dropped before it. Otherwise the
	 * work has been done once, unmeasured, on the mount that serves all samples.
	 */
	readonly cold: boolean;
	/** Each sample has an empty file system of its own, mounted for writing, that is then thrown away. */
	readonly writes?: boolean;
	readonly aims: readonly Aim[];
	/** Brings about what `run` needs, unmeasured, before each sample. */
	readonly prepare?: (place: Place) => Promise<void>;
	/** Does the work and returns the seconds it took. */
	readonly run: (place: Place) => Promise<number>;
};

/** Where a workload works, and its means. */
export class Place {
	/** The root of the mounted file system. */
	readonly root: string;
	readonly #remount: () => Promise<number>;

	constructor(root: string, remount: () => Promise<number>) {
		this.root = root;
		this.#remount = remount;
	}

	/** Runs a command; the seconds it took. */
	time(command: Command): Promise<number> {
		return timeCommand(command);
	}

	/** Runs commands at once; the seconds until the last has ended. */
	timeTogether(commands: readonly Command[]): Promise<number> {
		return timeTogether(commands);
	}

	/** Runs a command and returns what it prints. */
	read(command: Command): Promise<string> {
		return readCommand(command);
	}

	/** Unmounts and mounts again; the seconds until the new mount answers. */
	remount(): Promise<number> {
		return this.#remount();
	}
}
