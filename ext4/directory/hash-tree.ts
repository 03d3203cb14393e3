/**
 * Finding the leaf of an indexed directory that a hash belongs to. Kernel documentation, "Hash
 * Tree Directories".
 *
 * The index is a help, not the truth: the leaves are ordinary directory blocks. So an index of a
 * form that is not understood is left aside, as the kernel does, and the directory is searched
 * from end to end; only a checksum that fails, or a block that can't be had, is an error.
 */
import type {CachedBlock} from '../block-cache.ts';
import {CorruptError} from '../errors.ts';
import {
	dx_countlimit,
	dx_node,
	dx_root,
	dx_tail,
	dxBlockMask,
	dxEntrySize,
	hashVersions,
	rootInfoAt,
	rootInfoLength,
	treeLevelsMax,
	treeLevelsMaxLargeDirectory,
} from '../layout/htree.ts';
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {directoryBlockCount, directoryRun, looksLikeNode} from './blocks.ts';
import {assertNodeChecksum} from './checksum.ts';
import type {EntryRules} from './entries.ts';

/** A node on the way from the root to a leaf, and the entry of it that the way takes. */
type Step = {
	view: DataView;
	entriesAt: number;
	count: number;
	index: number;
};

/** A root whose form is understood. */
export type TreeRoot = {
	readonly block: CachedBlock;
	readonly hashVersion: number;
	/** Levels of inner nodes below the root. */
	readonly innerLevels: number;
};

function fail(problem: string, directory: Inode): never {
	throw new CorruptError('EXT4_BAD_HASH_TREE', problem, {inode: directory.number});
}

function readNode(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	logical: number,
): CachedBlock {
	if (logical >= directoryBlockCount(volume, directory)) {
		fail(`an index that points to block ${logical}, beyond the directory's end`, directory);
	}
	const run = directoryRun(volume, directory, logical);
	if (run.kind === 'hole') fail(`an index that points to block ${logical}, a hole`, directory);
	const block = volume.cache.read(run.physical + (logical - run.logical));
	if (block.checkedAs === 'directory index') return block;
	if (logical !== 0 && !looksLikeNode(block)) {
		fail(`an index that points to block ${logical}, which is no node`, directory);
	}
	if (rules.hasChecksums && block.seal === undefined) assertNodeChecksum(directory, block);
	block.checkedAs = 'directory index';
	return block;
}

function isKnownVersion(version: number, rules: EntryRules): boolean {
	if (rules.hasHashes) return version === hashVersions.siphash;
	return version <= hashVersions.tea;
}

/** The root of the directory's tree; undefined where there is none that can be used. */
export function openTree(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
): TreeRoot | undefined {
	if (!rules.isIndexed || !volume.features.has('dir_index')) return undefined;
	const block = readNode(volume, directory, rules, 0);
	const root = dx_root.at(block.view, 0);
	const levelsMax = volume.features.has('large_dir') ? treeLevelsMaxLargeDirectory : treeLevelsMax;
	const isUnderstood =
		isKnownVersion(root.hash_version, rules) &&
		(root.unused_flags & 1) === 0 &&
		root.indirect_levels < levelsMax &&
		root.info_length === rootInfoLength;
	if (!isUnderstood) return undefined;
	return {block, hashVersion: root.hash_version, innerLevels: root.indirect_levels};
}

/** How many entries a node has room for, by the size of a block. */
function limitOf(rules: EntryRules, entriesAt: number, isRoot: boolean): number {
	const tail = rules.hasChecksums ? dx_tail.sizeBytes : 0;
	// The kernel counts an inner node's fake entry as long as entries with hashes are.
	const hashes = rules.hasHashes && !isRoot ? 8 : 0;
	return Math.floor((rules.blockSize - entriesAt - hashes - tail) / dxEntrySize);
}

/** Undefined where the node's counts can't be. */
function stepInto(view: DataView, rules: EntryRules, isRoot: boolean): Step | undefined {
	const entriesAt = isRoot ? rootInfoAt + rootInfoLength : dx_node.sizeBytes;
	// Read without a cursor, as all that a lookup touches.
	const limit = view.getUint16(entriesAt + dx_countlimit.fields.limit.at, true);
	const count = view.getUint16(entriesAt + dx_countlimit.fields.count.at, true);
	if (limit !== limitOf(rules, entriesAt, isRoot) || count === 0 || count > limit) return undefined;
	return {view, entriesAt, count, index: 0};
}

function hashAt(step: Step, index: number): number {
	return step.view.getUint32(step.entriesAt + index * dxEntrySize, true);
}

function blockAt(step: Step): number {
	return step.view.getUint32(step.entriesAt + step.index * dxEntrySize + 4, true) & dxBlockMask;
}

/** The last entry whose hash is not greater; the first entry has none and stands for 0. */
function search(step: Step, hash: number): number {
	let low = 1;
	let high = step.count;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if (hashAt(step, middle) > hash) high = middle;
		else low = middle + 1;
	}
	return low - 1;
}

/** The leaves in which names of one hash may lie, one after another. */
export class LeafWalk {
	readonly #volume: Volume;
	readonly #directory: Inode;
	readonly #rules: EntryRules;
	readonly #hash: number;
	/** From the root down; as many as the tree has levels. */
	readonly #path: Step[];
	#visited = 0;

	private constructor(
		volume: Volume,
		directory: Inode,
		rules: EntryRules,
		hash: number,
		path: Step[],
	) {
		this.#volume = volume;
		this.#directory = directory;
		this.#rules = rules;
		this.#hash = hash;
		this.#path = path;
	}

	/** Goes down to the first leaf for `hash`; undefined where a node is not understood. */
	static start(
		volume: Volume,
		directory: Inode,
		rules: EntryRules,
		root: TreeRoot,
		hash: number,
	): LeafWalk | undefined {
		const path: Step[] = [];
		let view = root.block.view;
		for (let level = 0; ; level++) {
			const step = stepInto(view, rules, level === 0);
			if (step === undefined) return undefined;
			step.index = search(step, hash);
			path.push(step);
			if (level === root.innerLevels) break;
			view = readNode(volume, directory, rules, blockAt(step)).view;
		}
		return new LeafWalk(volume, directory, rules, hash, path);
	}

	/** Logical block of the leaf. */
	get leaf(): number {
		const lowest = this.#path[this.#path.length - 1];
		return lowest === undefined ? 0 : blockAt(lowest);
	}

	/**
	 * Moves on to the next leaf when names of the same hash may lie there too. A directory has no
	 * more leaves than blocks, which ends a tree whose nodes point to one another.
	 */
	next(): boolean {
		const path = this.#path;
		let level = path.length - 1;
		let step = path[level];
		while (step !== undefined && step.index + 1 >= step.count) step = path[--level];
		if (step === undefined) return false;
		step.index++;
		const nextHash = hashAt(step, step.index);
		if ((nextHash & ~1) >>> 0 !== this.#hash) return false;
		if (++this.#visited > directoryBlockCount(this.#volume, this.#directory)) {
			fail('an index with more leaves than the directory has blocks', this.#directory);
		}
		for (level++; level < path.length; level++) {
			const {view} = readNode(this.#volume, this.#directory, this.#rules, blockAt(step));
			const below = stepInto(view, this.#rules, false);
			if (below === undefined) fail('an index node whose counts cannot be', this.#directory);
			path[level] = below;
			step = below;
		}
		return true;
	}
}
