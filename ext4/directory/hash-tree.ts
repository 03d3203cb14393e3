/**
 * Finding the leaf of an indexed directory that a hash belongs to. Kernel documentation, "Hash
 * Tree Directories".
 *
 * The index is a help, not the truth: the leaves are ordinary directory blocks. So an index of a
 * form that is not understood is left aside, as the kernel does, and the directory is searched
 * from end to end; only a checksum that fails, or a block that can't be had, is an error.
 */
import type {CachedBlock} from '../block-cache.ts';
import {assert, CorruptError} from '../errors.ts';
import {
	dx_countlimit,
	dx_entry,
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
import {directoryBlockCount, directoryRun, looksLikeNode, readEntriesBlock} from './blocks.ts';
import {assertNodeChecksum} from './checksum.ts';
import type {EntryRules} from './entries.ts';

/** A node on the way from the root to a leaf, and the entry of it that the way takes. */
export type Step = {
	readonly block: CachedBlock;
	readonly entriesAt: number;
	/** Entries that there is room for, and those in use. */
	readonly limit: number;
	readonly count: number;
	index: number;
};

/** A root whose form is understood. */
export type TreeRoot = {
	readonly block: CachedBlock;
	readonly hashVersion: number;
	/** Levels of inner nodes below the root. */
	readonly innerLevels: number;
};

/** What a checked node is remembered as. */
export const nodeRole = 'directory index';

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
	if (block.checkedAs === nodeRole) return block;
	if (logical !== 0 && !looksLikeNode(block)) {
		fail(`an index that points to block ${logical}, which is no node`, directory);
	}
	if (rules.hasChecksums && block.seal === undefined) assertNodeChecksum(directory, block);
	block.checkedAs = nodeRole;
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
	const isUnderstood =
		isKnownVersion(root.hash_version, rules) &&
		(root.unused_flags & 1) === 0 &&
		root.indirect_levels < treeLevelsMaxOf(volume) &&
		root.info_length === rootInfoLength;
	if (!isUnderstood) return undefined;
	return {block, hashVersion: root.hash_version, innerLevels: root.indirect_levels};
}

/** Levels of nodes that a tree may have, the root counted in. */
export function treeLevelsMaxOf(volume: Volume): number {
	return volume.features.has('large_dir') ? treeLevelsMaxLargeDirectory : treeLevelsMax;
}

/** Where the entries of a root or a node begin. */
export function indexEntriesAt(isRoot: boolean): number {
	return isRoot ? rootInfoAt + rootInfoLength : dx_node.sizeBytes;
}

/** How many entries a root or a node has room for. */
export function limitOf(rules: EntryRules, isRoot: boolean): number {
	const entriesAt = indexEntriesAt(isRoot);
	const tail = rules.hasChecksums ? dx_tail.sizeBytes : 0;
	// The kernel counts an inner node's fake entry as long as entries with hashes are.
	const hashes = rules.hasHashes && !isRoot ? 8 : 0;
	return Math.floor((rules.blockSize - entriesAt - hashes - tail) / dxEntrySize);
}

/** Undefined where the node's counts can't be. */
function stepInto(block: CachedBlock, rules: EntryRules, isRoot: boolean): Step | undefined {
	const {view} = block;
	const entriesAt = indexEntriesAt(isRoot);
	// Read without a cursor, as all that a lookup touches.
	const limit = view.getUint16(entriesAt + dx_countlimit.fields.limit.at, true);
	const count = view.getUint16(entriesAt + dx_countlimit.fields.count.at, true);
	if (limit !== limitOf(rules, isRoot) || count === 0 || count > limit) return undefined;
	return {block, entriesAt, limit, count, index: 0};
}

function hashAt(step: Step, index: number): number {
	return step.block.view.getUint32(step.entriesAt + index * dxEntrySize, true);
}

function blockAt(step: Step): number {
	const at = step.entriesAt + step.index * dxEntrySize + dx_entry.fields.block.at;
	return step.block.view.getUint32(at, true) & dxBlockMask;
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

/** A leaf that the index names. Throws `CorruptError`. */
export function readLeaf(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	logical: number,
): CachedBlock {
	const blockCount = directoryBlockCount(volume, directory);
	if (logical >= blockCount) {
		fail(`an index whose leaf is block ${logical} of ${blockCount}`, directory);
	}
	const run = directoryRun(volume, directory, logical);
	if (run.kind === 'hole') fail(`an index whose leaf is block ${logical}, a hole`, directory);
	return readEntriesBlock(volume, directory, rules, run, logical);
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
		let {block} = root;
		for (let level = 0; ; level++) {
			const step = stepInto(block, rules, level === 0);
			if (step === undefined) return undefined;
			step.index = search(step, hash);
			path.push(step);
			if (level === root.innerLevels) break;
			block = readNode(volume, directory, rules, blockAt(step));
		}
		return new LeafWalk(volume, directory, rules, hash, path);
	}

	/** The nodes on the way to the leaf, from the root down. */
	get path(): readonly Step[] {
		return this.#path;
	}

	/** Logical block of the leaf. */
	get leaf(): number {
		const lowest = this.#path[this.#path.length - 1];
		return lowest === undefined ? 0 : blockAt(lowest);
	}

	/**
	 * The hash at which the leaf begins, as the index has it: with the lowest bit set where names of
	 * that hash lie in the leaf before as well.
	 */
	get lowerBound(): number {
		const step = this.#path.findLast(({index}) => index > 0);
		return step === undefined ? 0 : hashAt(step, step.index);
	}

	/** The hash at which the next leaf begins; undefined behind the last. */
	get upperBound(): number | undefined {
		const step = this.#path.findLast(({index, count}) => index + 1 < count);
		return step && hashAt(step, step.index + 1);
	}

	/** Moves on to the next leaf when names of the same hash may lie there too. */
	next(): boolean {
		const {upperBound} = this;
		if (upperBound === undefined || (upperBound & ~1) >>> 0 !== this.#hash) return false;
		this.advance();
		return true;
	}

	/**
	 * Moves on to the next leaf, of which `upperBound` says that there is one. A directory has no
	 * more leaves than blocks, which ends a tree whose nodes point to one another.
	 */
	advance(): void {
		const path = this.#path;
		let level = path.findLastIndex(({index, count}) => index + 1 < count);
		let step = path[level];
		assert(step !== undefined, 'there is no leaf behind the last');
		step.index++;
		if (++this.#visited > directoryBlockCount(this.#volume, this.#directory)) {
			fail('an index with more leaves than the directory has blocks', this.#directory);
		}
		for (level++; level < path.length; level++) {
			const block = readNode(this.#volume, this.#directory, this.#rules, blockAt(step));
			const below = stepInto(block, this.#rules, false);
			if (below === undefined) fail('an index node whose counts cannot be', this.#directory);
			path[level] = below;
			step = below;
		}
	}
}
