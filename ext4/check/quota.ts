/**
 * The last pass: what quota files count against what pass 1 found in use. The tree of each file is
 * walked whole; a file that can't be read as one is told as such, and its counts are left alone.
 */
import {isSet, setRange} from '../allocator/bitmap.ts';
import {isExpectedError} from '../errors.ts';
import {
	qt_disk_dqdbheader,
	quotaBlockSize,
	quotaEntriesMax,
	quotaRootBlock,
	quotaTreeDepth,
	v2_disk_dqheader,
	v2r1_disk_dqblk,
} from '../layout/quota.ts';
import {isFreeEntry, type Place, QuotaFile, type QuotaType} from '../quota/file.ts';
import type {Volume} from '../volume.ts';
import {InodeBytes} from './inode-bytes.ts';
import {factFlags} from './inode-facts.ts';
import {openReadersVolume} from './readers-volume.ts';
import type {CheckState, Usage} from './state.ts';

const blocksBetweenYields = 256;
const typeSymlink = 7;
const kinds = ['user', 'group', 'project'] as const;

export function* checkQuota(state: CheckState): Generator<void> {
	if (!state.features.has('quota')) return;
	const volume = openReadersVolume(state, 'quota files');
	if (volume === undefined) return;
	for (const [index, kind] of kinds.entries()) {
		const inode = state.superblock.quotaInodes[kind];
		if (inode === 0) continue;
		try {
			const file = openFile(state, volume, kind, inode);
			if (file !== undefined) yield* new QuotaWalk(state, file, kind).check();
		} catch (error) {
			if (!isExpectedError(error)) throw error;
			state.report('CHECK_QUOTA_TREE', {inode}, {kind, found: error.message});
		}
		state.setProgress(index + 1, kinds.length);
		yield;
	}
}

/** Undefined, and reported, for what is no quota file. */
function openFile(
	state: CheckState,
	volume: Volume,
	kind: QuotaType,
	inode: number,
): QuotaFile | undefined {
	try {
		return new QuotaFile(volume, kind, inode);
	} catch (error) {
		if (!isExpectedError(error)) throw error;
		state.report('CHECK_QUOTA_HEADER', {inode}, {kind, found: error.message});
		return undefined;
	}
}

/** How many symbolic links that lie in their inodes each owner has. */
function inlineSymlinks(state: CheckState, kind: QuotaType): Map<number, number> {
	const counts = new Map<number, number>();
	const {groupCount, inodesPerGroup} = state.geometry;
	const {inodes} = state;
	for (let group = 0; group < groupCount; group++) {
		const {first, count} = inodes.slotsOfGroup(group);
		for (let within = 0; within < count; within++) {
			const isInline = ((inodes.flags[first + within] ?? 0) & factFlags.inlineData) !== 0;
			if (!isInline || inodes.types[first + within] !== typeSymlink) continue;
			const view = state.readInode(group * inodesPerGroup + within + 1);
			if (view === undefined) continue;
			const inode = new InodeBytes(view, view.byteLength);
			const owners = {user: inode.uid, group: inode.gid, project: inode.projectId};
			counts.set(owners[kind], (counts.get(owners[kind]) ?? 0) + 1);
		}
	}
	return counts;
}

class QuotaWalk {
	readonly #state: CheckState;
	readonly #file: QuotaFile;
	readonly #kind: QuotaType;
	readonly #usage: ReadonlyMap<number, Usage>;
	readonly #seen = new Set<number>();
	/** Blocks of a tree are fewer than the file has, or some of them are reached twice. */
	#blocksLeft: number;
	/** Counted when they are first asked for. */
	#inlineSymlinks: ReadonlyMap<number, number> | undefined;
	/** A bit for each block of entries that was looked at: many references lead to each. */
	readonly #entryBlocks: Uint8Array;

	constructor(state: CheckState, file: QuotaFile, kind: QuotaType) {
		this.#state = state;
		this.#file = file;
		this.#kind = kind;
		this.#usage = state.usage[kind];
		const {blockCount, blockSize} = state.geometry;
		const inFile = Math.floor(file.inode.sizeBytes / quotaBlockSize);
		this.#blocksLeft = Math.min(inFile, (blockCount * blockSize) / quotaBlockSize);
		this.#entryBlocks = new Uint8Array(Math.ceil((this.#blocksLeft + 1) / 8));
	}

	*check(): Generator<void> {
		this.#checkInfo();
		yield* this.#walk(quotaRootBlock, 0);
		for (const [id, {bytes, inodes}] of this.#usage) {
			if (this.#seen.has(id) || (bytes === 0 && this.#mayCount(id, 0, inodes))) continue;
			const values = {kind: this.#kind, id, expected: `${bytes} bytes, ${inodes} inodes`};
			this.#state.report('CHECK_QUOTA_ENTRY_MISSING', {inode: this.#file.inodeNumber}, values);
		}
	}

	#checkInfo(): void {
		const {block, at} = this.#file.blockAt(0);
		const header = v2_disk_dqheader.at(block.view, at);
		const blocks = Math.floor(this.#file.inode.sizeBytes / quotaBlockSize);
		const isSound =
			header.dqi_blocks <= blocks &&
			(header.dqi_free_blk === 0 || header.dqi_free_blk < header.dqi_blocks) &&
			(header.dqi_free_entry === 0 || header.dqi_free_entry < header.dqi_blocks);
		if (!isSound) {
			this.#file.fail(
				`${header.dqi_blocks} blocks, of which ${header.dqi_free_blk} and ${header.dqi_free_entry} begin lists, in a file of ${blocks}`,
			);
		}
	}

	/** What is reached through block `number`, `level` steps below the root. */
	*#walk(number: number, level: number): Generator<void> {
		if (level === quotaTreeDepth) {
			if (this.#wasSeen(number)) return;
			this.#checkEntries(this.#file.blockAt(number));
			return;
		}
		if (--this.#blocksLeft < 0) this.#file.fail('its tree leads to blocks more than once');
		if (this.#blocksLeft % blocksBetweenYields === 0) yield;
		const place = this.#file.blockAt(number);
		// The block may leave the cache while what is below it is read.
		const references = new Uint32Array(quotaBlockSize / 4);
		for (let index = 0; index < references.length; index++) {
			references[index] = place.block.view.getUint32(place.at + index * 4, true);
		}
		for (const reference of references) {
			if (reference === 0) continue;
			if (reference <= quotaRootBlock) this.#file.fail(`a reference to block ${reference}`);
			yield* this.#walk(reference, level + 1);
		}
	}

	/** Whether a block of entries was looked at before; from now on it was. */
	#wasSeen(number: number): boolean {
		if (number >= this.#entryBlocks.length * 8) {
			this.#file.fail(`a reference to block ${number}, beyond its end`);
		}
		const wasSeen = isSet(this.#entryBlocks, number);
		setRange(this.#entryBlocks, number, number + 1);
		return wasSeen;
	}

	/**
	 * Whether a count of inodes is right. e2fsck 1.47 counts symbolic links that lie in their inodes
	 * for nobody, and repairs files to that; the kernel counts them. Both are let pass.
	 */
	#mayCount(id: number, found: number, inodes: number): boolean {
		if (found === inodes) return true;
		this.#inlineSymlinks ??= inlineSymlinks(this.#state, this.#kind);
		return found === inodes - (this.#inlineSymlinks.get(id) ?? 0);
	}

	#checkEntries({block, at}: Place): void {
		for (let index = 0; index < quotaEntriesMax; index++) {
			const entryAt = at + qt_disk_dqdbheader.sizeBytes + index * v2r1_disk_dqblk.sizeBytes;
			if (isFreeEntry({block, at: entryAt})) continue;
			const entry = v2r1_disk_dqblk.at(block.view, entryAt);
			const id = entry.dqb_id;
			const {bytes, inodes} = this.#usage.get(id) ?? {bytes: 0, inodes: 0};
			if (this.#usage.has(id)) this.#seen.add(id);
			if (entry.dqb_curspace === bytes && this.#mayCount(id, entry.dqb_curinodes, inodes)) continue;
			this.#state.report(
				'CHECK_QUOTA_USAGE',
				{inode: this.#file.inodeNumber, block: block.number},
				{
					kind: this.#kind,
					id,
					found: `${entry.dqb_curspace} bytes, ${entry.dqb_curinodes} inodes`,
					expected: `${bytes} bytes, ${inodes} inodes`,
				},
			);
		}
	}
}
