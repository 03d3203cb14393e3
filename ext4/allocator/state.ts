/**
 * What the allocator keeps in memory beside the bitmaps, one for each volume. All but `pending` are
 * hints: they decide where something lies, never whether it is free.
 */
import {assert} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {Volume} from '../volume.ts';
import {type BitField, type BitRun, findRun, occupy, vacate} from './find-run.ts';
import {type Survey, survey, type Zones} from './zones.ts';

/**
 * What the running transaction has freed, in bits of each group's bitmap. It is clear in the
 * bitmap already, and may not be used before the commit: after a crash the file that it was taken
 * from is there again, and must find its contents.
 */
export class Pending {
	readonly #wordsPerGroup: number;
	readonly #groups = new Map<number, Uint32Array>();
	#count = 0;
	/** The last handle that has promised to clear this when it is committed. */
	#promisedBy: Handle | undefined;

	constructor(bitsPerGroup: number) {
		this.#wordsPerGroup = Math.ceil(bitsPerGroup / 32);
	}

	/** How many bits are pending in all groups. */
	get count(): number {
		return this.#count;
	}

	of(group: number): Uint32Array | undefined {
		return this.#groups.get(group);
	}

	/** Until `handle` is committed, or rolled back. `released` is told the groups at the commit. */
	add(
		handle: Handle,
		group: number,
		run: BitRun,
		released: (groups: Iterable<number>) => void,
	): void {
		let words = this.#groups.get(group);
		if (words === undefined) {
			words = new Uint32Array(this.#wordsPerGroup);
			this.#groups.set(group, words);
		}
		const kept = words;
		const end = run.start + run.length;
		occupy(kept, run.start, end);
		this.#count += run.length;
		handle.onRollback(() => {
			vacate(kept, run.start, end);
			this.#count -= run.length;
		});
		if (this.#promisedBy === handle) return;
		this.#promisedBy = handle;
		handle.afterCommit(() => {
			released(this.#groups.keys());
			this.#groups.clear();
			this.#count = 0;
			this.#promisedBy = undefined;
		});
	}
}

/** Clusters of a group that lie ahead of a growing file and are kept from others, as a hint. */
export type Window = {readonly group: number; readonly start: number; readonly end: number};

const windowsMax = 512;

export class AllocatorState {
	readonly zones: Zones;
	readonly pendingClusters: Pending;
	readonly pendingInodes: Pending;
	/** Directories on the volume. */
	directoryCount: number;
	/** No free run of the group is longer; a group that is not in here was not looked at. */
	readonly #longest = new Map<number, number>();
	/** No group has a free run of that many clusters. */
	#missing = Number.POSITIVE_INFINITY;
	readonly #windows = new Map<number, Window>();
	/** The windows of each group that has any, as bits; they lie apart from each other. */
	readonly #windowBits = new Map<number, {readonly words: Uint32Array; count: number}>();
	readonly #wordsPerGroup: number;

	constructor(volume: Volume, found: Survey) {
		this.zones = found.zones;
		this.directoryCount = found.directoryCount;
		this.#wordsPerGroup = Math.ceil(volume.geometry.clustersPerGroup / 32);
		this.pendingClusters = new Pending(volume.geometry.clustersPerGroup);
		this.pendingInodes = new Pending(volume.geometry.inodesPerGroup);
	}

	/** False where it is known that no group has a free run of `length` clusters. */
	mayHave(length: number): boolean {
		return length < this.#missing;
	}

	noteMissing(length: number): void {
		this.#missing = Math.min(this.#missing, length);
	}

	/** No free run of the group is longer than `length`. */
	noteLongest(group: number, length: number): void {
		this.#longest.set(group, length);
	}

	groupMayHave(group: number, length: number): boolean {
		return (this.#longest.get(group) ?? Number.POSITIVE_INFINITY) >= length;
	}

	/** Clusters have become free in the group. */
	forgetLongest(group: number): void {
		this.#longest.delete(group);
		this.#missing = Number.POSITIVE_INFINITY;
	}

	/**
	 * The first run of `length` clusters in a group, from `from` on, then before it. Where there is
	 * none, how long the longest is will be remembered.
	 */
	search(group: number, field: BitField, from: number, length: number): BitRun | undefined {
		const behind = findRun(field, from, field.bitCount, length);
		if (behind.found !== undefined) return behind.found;
		const before = findRun(field, 0, from, length);
		if (before.found !== undefined) return before.found;
		this.noteLongest(group, Math.max(behind.longest, before.longest));
		return undefined;
	}

	get hasWindows(): boolean {
		return this.#windows.size > 0;
	}

	/** Sets in `words` what is kept in a group for others than `inode`. */
	occupyWindows(group: number, words: Uint32Array, inode: number): void {
		const kept = this.#windowBits.get(group);
		if (kept === undefined) return;
		const own = this.#windows.get(inode);
		const isHere = own?.group === group;
		if (isHere) vacate(kept.words, own.start, own.end);
		for (let index = 0; index < words.length; index++) {
			words[index] = (words[index] ?? 0) | (kept.words[index] ?? 0);
		}
		if (isHere) occupy(kept.words, own.start, own.end);
	}

	/** `inode` took the clusters from `takenFrom` on, up to the window. */
	setWindow(inode: number, window: Window, takenFrom: number): void {
		const before = this.#windows.get(inode);
		const givesNothingBack =
			before?.group === window.group && before.start >= takenFrom && before.end <= window.end;
		if (givesNothingBack) this.#removeWindow(inode);
		else this.dropWindow(inode);
		if (this.#windows.size >= windowsMax) {
			const oldest = this.#windows.keys().next();
			if (oldest.done !== true) this.dropWindow(oldest.value);
		}
		this.#windows.set(inode, window);
		let kept = this.#windowBits.get(window.group);
		if (kept === undefined) {
			kept = {words: new Uint32Array(this.#wordsPerGroup), count: 0};
			this.#windowBits.set(window.group, kept);
		}
		kept.count++;
		occupy(kept.words, window.start, window.end);
	}

	dropWindow(inode: number): void {
		const window = this.#removeWindow(inode);
		if (window !== undefined) this.forgetLongest(window.group);
	}

	#removeWindow(inode: number): Window | undefined {
		const window = this.#windows.get(inode);
		if (window === undefined) return undefined;
		this.#windows.delete(inode);
		const kept = this.#windowBits.get(window.group);
		assert(kept !== undefined, 'a window that exists has its bits');
		vacate(kept.words, window.start, window.end);
		if (--kept.count === 0) this.#windowBits.delete(window.group);
		return window;
	}

	/** Space is short: what is kept for somebody is given to whoever asks. */
	dropWindows(): void {
		for (const inode of [...this.#windows.keys()]) this.dropWindow(inode);
	}
}

/** The allocator's state, where anything has been allocated or freed yet. */
export function knownAllocatorOf(volume: Volume): AllocatorState | undefined {
	return states.get(volume);
}

const states = new WeakMap<Volume, AllocatorState>();

/**
 * The allocator's state of a volume that is open for writing. The first call looks at all groups,
 * and makes the superblock's free counts what their descriptors say: those of the superblock are
 * brought up to date only when a file system is unmounted. Opening for writing makes that call.
 *
 * Throws `CorruptError` where metadata overlaps or a descriptor is broken, `UnsupportedError`
 * where there are too many groups.
 */
export function allocatorOf(volume: Volume): AllocatorState {
	const known = states.get(volume);
	if (known !== undefined) return known;
	const found = survey(volume);
	volume.superblock.freeBlockCount = found.freeClusterCount * 2 ** volume.geometry.clusterBits;
	volume.superblock.freeInodeCount = found.freeInodeCount;
	const state = new AllocatorState(volume, found);
	states.set(volume, state);
	return state;
}
