/**
 * What the kernel knows of: how often it was told of each inode, and which of those have lost their
 * last name. Such a file lives on until the kernel forgets it: nobody can have it open then.
 */
import {
	type Inode,
	isExpectedError,
	reapInode,
	releaseReservation,
	type Volume,
} from '../../ext4/index.ts';
import {LookupCounts} from './lookup-counts.ts';

/** Called with what went wrong behind the back of a request that did what it should. */
export type FaultNoticed = (error: Error, operation: string, inode: number) => void;

export class Nodes {
	readonly #volume: Volume;
	readonly #isCounting: boolean;
	readonly #faultNoticed: FaultNoticed;
	readonly #counts = new LookupCounts();
	readonly #linkless = new Set<number>();
	/** Of those, what the kernel has forgotten while nothing may be changed; undefined: all may be. */
	#frozen: number[] | undefined;
	/** Why data could not be taken from the page cache, until a writer has been told. */
	readonly #lostWrites = new Map<number, number>();

	/** `isCounting`: the volume is open for writing. One that is not loses no inode. */
	constructor(volume: Volume, isCounting: boolean, faultNoticed: FaultNoticed) {
		this.#volume = volume;
		this.#isCounting = isCounting;
		this.#faultNoticed = faultNoticed;
	}

	/** Inodes that the kernel knows, for `status`. */
	get knownCount(): number {
		return this.#counts.size;
	}

	/** Of those, the ones without a name. */
	get linklessCount(): number {
		return this.#linkless.size;
	}

	/**
	 * The inode of that number as it is now, were it without a name. Throws `CorruptError` for one
	 * that is not in use.
	 */
	read(number: number): Inode {
		return this.#linkless.has(number)
			? this.#volume.readReservedInode(number)
			: this.#volume.readInode(number);
	}

	/** Whether the kernel has heard of `inode` and not forgotten it; true where that is not counted. */
	isKnown(inode: number): boolean {
		return !this.#isCounting || this.#counts.get(inode) > 0;
	}

	/** The kernel hears of `inode`, in a reply that is sent next. */
	remember(inode: number): void {
		if (this.#isCounting) this.#counts.increment(inode);
	}

	/** The kernel forgets `count` of the times; returns whether it knows nothing of the inode now. */
	forget(inode: number, count: number): boolean {
		if (!this.#counts.decrease(inode, count)) return false;
		this.#lostWrites.delete(inode);
		releaseReservation(this.#volume, inode);
		if (this.#frozen !== undefined && this.#linkless.has(inode)) this.#frozen.push(inode);
		else if (this.#linkless.delete(inode)) this.#reap(inode);
		return true;
	}

	/** Until `thaw` no inode is freed. */
	freeze(): void {
		this.#frozen ??= [];
	}

	thaw(): void {
		const forgotten = this.#frozen ?? [];
		this.#frozen = undefined;
		for (const inode of forgotten) {
			// By a file handle the kernel may have come to know it again, and have it open.
			if (!this.isKnown(inode) && this.#linkless.delete(inode)) this.#reap(inode);
		}
	}

	/** Data of `inode` that the page cache had taken was refused, with the errno `why`. */
	noteLostWrite(inode: number, why: number): void {
		this.#lostWrites.set(inode, why);
	}

	/** The errno of `noteLostWrite`, once. */
	takeLostWrite(inode: number): number | undefined {
		const why = this.#lostWrites.get(inode);
		this.#lostWrites.delete(inode);
		return why;
	}

	/** A name of `inode` is gone, or was given: called after every operation that may do that. */
	linksChanged(inode: Inode): void {
		const {number} = inode;
		if (inode.linkCount > 0) {
			this.#linkless.delete(number);
		} else if (this.#counts.get(number) > 0) {
			this.#linkless.add(number);
		} else {
			this.#reap(number);
		}
	}

	/** The kernel has gone: nobody has anything open. Throws what `reapInode` throws. */
	reapAll(): void {
		for (const number of this.#linkless) {
			this.#linkless.delete(number);
			reapInode(this.#volume, number);
		}
	}

	/**
	 * Frees an inode whose last name is gone. That the name is gone is not to be answered with an
	 * error: what can't be freed stays an orphan, which the next mount or e2fsck frees.
	 */
	#reap(number: number): void {
		try {
			reapInode(this.#volume, number);
		} catch (error) {
			if (!isExpectedError(error)) throw error;
			this.#faultNoticed(error, 'REAP', number);
		}
	}
}
