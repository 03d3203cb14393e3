/**
 * What falls due by itself while a mount is written to: the commit of what has become old enough,
 * and the sign of life that multi-mount protection wants.
 */
import type {Volume} from '../ext4/index.ts';

export type UpkeepOptions = {
	/** How old a change may become before it is committed. */
	readonly commitSeconds: number;
	/** Milliseconds of a clock that only goes forward. */
	readonly now: () => number;
	/** A commit or sign of life has failed; the volume takes no more changes then. */
	readonly failed: (error: unknown, what: string) => void;
	/** Gives the sign of life; returns in how many seconds it is wanted again, undefined: never. */
	readonly beat?: () => number | undefined;
};

const milliseconds = 1000;

export class Upkeep {
	readonly #volume: Volume;
	readonly #options: UpkeepOptions;
	#commitDue: number | undefined;
	#beatDue: number | undefined;

	constructor(volume: Volume, options: UpkeepOptions) {
		this.#volume = volume;
		this.#options = options;
		this.restart();
	}

	/** The volume has become writable (again). */
	restart(): void {
		this.#beatDue = this.#options.now();
	}

	/**
	 * Does what is due. Returns in how many milliseconds it wants to be called again; undefined:
	 * not before something has happened.
	 */
	tick(): number | undefined {
		const now = this.#options.now();
		this.#commit(now);
		this.#beat(now);
		if (this.#commitDue === undefined && this.#beatDue === undefined) return undefined;
		const next = Math.min(this.#commitDue ?? Infinity, this.#beatDue ?? Infinity);
		return Math.max(0, next - now);
	}

	#commit(now: number): void {
		const {transactions} = this.#volume;
		if (transactions?.isOpen !== true || !transactions.isWritable) {
			this.#commitDue = undefined;
			return;
		}
		this.#commitDue ??= now + this.#options.commitSeconds * milliseconds;
		if (now < this.#commitDue) return;
		this.#commitDue = undefined;
		this.#try('commit', () => transactions.sync());
	}

	#beat(now: number): void {
		if (this.#beatDue === undefined || now < this.#beatDue) return;
		this.#beatDue = undefined;
		this.#try('MMP', () => {
			const seconds = this.#options.beat?.();
			if (seconds !== undefined) this.#beatDue = now + seconds * milliseconds;
		});
	}

	#try(what: string, action: () => void): void {
		try {
			action();
		} catch (error) {
			this.#options.failed(error, what);
		}
	}
}
