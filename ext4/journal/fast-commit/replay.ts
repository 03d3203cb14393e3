/**
 * Replays fast commits over a volume whose log was replayed before. All changes are gathered in
 * memory first: inodes as bytes, mappings as lists of runs, directories as names added and
 * removed. Then they are written, bitmaps and checksums included, into copies of the blocks they
 * belong to, and those are laid over. So what lies in the overlay afterwards is a whole file
 * system, which could be written home as it is.
 *
 * What the kernel's own replay does is the model, but for some things that it leaves wrong: it
 * does not count the links of a parent when a directory is made or removed, nor free the latter,
 * and sets the times of the directories it changes to those of the replay.
 */
import {CorruptError} from '../../errors.ts';
import {ext4_inode, inodeFlags, reservedInode} from '../../layout/inode.ts';
import {logicalBlocksMax} from '../../mapping/run.ts';
import type {Volume} from '../../volume.ts';
import {listXattrs} from '../../xattr/read.ts';
import type {Overlay} from '../overlay.ts';
import {Bitmaps} from './bitmaps.ts';
import {ReplayBounds} from './bounds.ts';
import {DirectoryEdits} from './directory-edits.ts';
import {writeDirectory} from './directory-writer.ts';
import {EditedBlocks} from './edited-blocks.ts';
import {EditedInode} from './edited-inode.ts';
import {writeExtentTree} from './extents.ts';
import type {FastCommitOperation} from './scan.ts';
import {releaseXattrBlock} from './xattr-block.ts';

type Range = FastCommitOperation & {kind: 'addRange' | 'deleteRange'};
type EntryOperation = FastCommitOperation & {kind: 'create' | 'link' | 'unlink'};
type InodeOperation = FastCommitOperation & {kind: 'inode'};

const {i_block, i_generation, i_links_count} = ext4_inode.fields;
const slash = 0x2f;

function bad(problem: string, inode?: number): CorruptError {
	return new CorruptError('EXT4_BAD_JOURNAL', `a fast commit ${problem}`, {inode});
}

function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Inodes that one replay may change; each is kept whole. */
const inodesMax = 2 ** 16;

class Replay {
	readonly #volume: Volume;
	readonly #operations: readonly FastCommitOperation[];
	readonly #bounds: ReplayBounds;
	readonly #blocks: EditedBlocks;
	readonly #bitmaps: Bitmaps;
	readonly #inodes = new Map<number, EditedInode>();
	/** For each inode, the place of the last record that gives it whole. */
	readonly #lastRecords = new Map<number, number>();
	/** Blocks of attributes that inodes which are gone no longer share in. */
	readonly #releasedXattrBlocks: number[] = [];
	/** The block that a directory was given last. */
	#lastAppended: {inode: EditedInode; logical: number; physical: number} | undefined;

	constructor(volume: Volume, operations: readonly FastCommitOperation[], bounds: ReplayBounds) {
		this.#volume = volume;
		this.#bounds = bounds;
		this.#operations = operations;
		this.#blocks = new EditedBlocks(volume);
		this.#bitmaps = new Bitmaps(volume, this.#blocks);
	}

	run(overlay: Overlay): void {
		for (const [index, operation] of this.#operations.entries()) {
			if (operation.kind === 'inode') this.#lastRecords.set(operation.inode, index);
		}
		for (const [index, operation] of this.#operations.entries()) this.#apply(operation, index);
		this.#dropUnlinked();
		this.#advanceDirectories();
		this.#writeData();
		for (const inode of this.#inodes.values()) this.#writeInode(inode);
		this.#bitmaps.write();
		this.#blocks.layOver(overlay);
	}

	#apply(operation: FastCommitOperation, index: number): void {
		switch (operation.kind) {
			case 'addRange':
			case 'deleteRange':
				this.#applyRange(operation);
				break;
			case 'create':
				this.#create(operation);
				break;
			case 'link':
				this.#link(operation);
				break;
			case 'unlink':
				this.#unlink(operation, index);
				break;
			case 'inode':
				this.#applyInode(operation);
				break;
		}
	}

	/** An inode that a fast commit may speak of: an ordinary one, or the root as a directory. */
	#inode(number: number): EditedInode {
		const known = this.#inodes.get(number);
		if (known !== undefined) return known;
		const {firstInode, inodeCount} = this.#volume.geometry;
		const isOrdinary = number >= firstInode && number <= inodeCount;
		if (!isOrdinary && number !== reservedInode.root) throw bad(`names inode ${number}`);
		if (this.#inodes.size >= inodesMax) throw bad(`changes more than ${inodesMax} inodes`);
		const inode = new EditedInode(
			this.#volume,
			number,
			this.#bitmaps.isInodeUsed(number),
			this.#bounds,
		);
		this.#inodes.set(number, inode);
		return inode;
	}

	#applyInode({inode: number, bytes}: InodeOperation): void {
		const inode = this.#inode(number);
		if (bytes.length > inode.bytes.length) throw bad('has an inode that is too long', number);
		const hadExtents = inode.base !== undefined && (inode.flags & inodeFlags.extents) !== 0;
		inode.bytes.set(bytes.subarray(0, i_block.at));
		inode.bytes.set(bytes.subarray(i_generation.at), i_generation.at);
		if (inode.holdsData) {
			inode.bytes.set(bytes.subarray(i_block.at, i_generation.at), i_block.at);
			inode.clearMapping();
		} else if (!hadExtents) inode.markMappingChanged(); // Ranges tell of it.
		this.#bitmaps.setInode(number, true, inode.isDirectory);
	}

	#applyRange(range: Range): void {
		const inode = this.#inode(range.inode);
		const {logical, length} = range;
		if (length === 0) return;
		if (logical + length > logicalBlocksMax) throw bad('has a range too long', range.inode);
		if (range.kind === 'deleteRange') {
			inode.changeMapping({kind: 'hole', logical, length});
			return;
		}
		const {physical} = range;
		const {firstDataBlock, blockCount} = this.#volume.geometry;
		if (physical <= firstDataBlock || physical + length > blockCount) {
			throw bad(`maps blocks ${physical} to ${physical + length - 1}`, range.inode);
		}
		const kind = range.isUnwritten ? 'unwritten' : 'mapped';
		inode.changeMapping({kind, logical, length, physical});
	}

	/** The directory that a name belongs to; undefined where it is not there any more. */
	#parentOf({
		parent,
		name,
	}: EntryOperation): {inode: EditedInode; edits: DirectoryEdits} | undefined {
		const inode = this.#inode(parent);
		if (inode.linkCount === 0 || !inode.isDirectory) return undefined;
		// The kernel commits these in full: it could not log such names.
		if ((inode.flags & inodeFlags.encrypted) !== 0) throw bad('in an encrypted directory', parent);
		const isDots = name.every(byte => byte === 0x2e) && name.length <= 2;
		if (isDots || name.includes(slash) || name.includes(0))
			throw bad('has an impossible name', parent);
		const base = inode.base?.type === 'directory' ? inode.base : undefined;
		inode.directory ??= new DirectoryEdits(this.#volume, this.#bounds, base, inode.flags);
		return {inode, edits: inode.directory};
	}

	/** As the kernel, leaves names alone whose inode or directory was gone before the commit. */
	#create(operation: EntryOperation): void {
		const inode = this.#inode(operation.inode);
		if (inode.linkCount === 0) return;
		const parent = this.#parentOf(operation);
		if (inode.isDirectory) {
			if (parent === undefined) return;
			inode.clearMapping();
			inode.directory = new DirectoryEdits(
				this.#volume,
				this.#bounds,
				undefined,
				inode.flags,
				operation.parent,
			);
		}
		inode.linkCount = inode.isDirectory ? 2 : 1;
		if (parent === undefined || parent.edits.find(operation.name) !== undefined) return;
		if (inode.isDirectory) parent.inode.countSubdirectory(1);
		this.#addEntry(parent.edits, operation, inode);
	}

	#link(operation: EntryOperation): void {
		const inode = this.#inode(operation.inode);
		if (inode.linkCount === 0) return;
		const parent = this.#parentOf(operation);
		// The name may be there already: a replay of the same commit was cut short.
		if (parent === undefined || parent.edits.find(operation.name) !== undefined) return;
		inode.linkCount++;
		this.#addEntry(parent.edits, operation, inode);
	}

	#addEntry(edits: DirectoryEdits, {name}: EntryOperation, inode: EditedInode): void {
		edits.add({name, inode: inode.number, typeCode: inode.entryType});
	}

	#unlink(operation: EntryOperation, index: number): void {
		const inode = this.#inode(operation.inode);
		if (inode.linkCount === 0) return;
		const parent = this.#parentOf(operation);
		if (parent?.edits.find(operation.name) !== operation.inode) return;
		parent.edits.remove(operation.name, operation.inode);
		if (inode.isDirectory) {
			parent.inode.countSubdirectory(-1);
			inode.linkCount = 0;
		} else inode.linkCount--;
		// Its blocks are gone at once: its number may be another file's in the next record.
		if (inode.linkCount === 0 && !this.#livesOn(inode, index)) this.#free(inode);
	}

	/**
	 * Whether a later record still has links to the same file. Then its count here is not to be
	 * believed, as when an earlier replay wrote a part of its changes and was cut short.
	 */
	#livesOn(inode: EditedInode, index: number): boolean {
		const last = this.#lastRecords.get(inode.number) ?? -1;
		const record = this.#operations[last];
		if (last <= index || record?.kind !== 'inode') return false;
		const view = viewOf(record.bytes);
		const isSame = view.getUint32(i_generation.at, true) === inode.generation;
		return isSame && view.getUint16(i_links_count.at, true) > 0;
	}

	#free(inode: EditedInode): void {
		if (inode.xattrBlock !== 0) this.#releasedXattrBlocks.push(inode.xattrBlock);
		this.#bitmaps.setInode(inode.number, false, inode.isDirectory);
		inode.clear(this.#volume.superblock.writeTime || 1);
	}

	/**
	 * Files that only an open descriptor held, and that no name leads to after all. Those that were
	 * in this state before are on the list of orphans, which is dealt with elsewhere.
	 */
	#dropUnlinked(): void {
		for (const inode of this.#inodes.values()) {
			const wasThere = inode.base !== undefined;
			if (inode.linkCount === 0 && !wasThere && this.#bitmaps.isInodeUsed(inode.number)) {
				this.#free(inode);
			}
		}
	}

	/**
	 * A directory's own times are not in a fast commit. Whatever changed a name changed the inode as
	 * well: so they are at least as late as that.
	 */
	#advanceDirectories(): void {
		for (const directory of this.#inodes.values()) {
			for (const number of directory.directory?.concerned ?? []) {
				const inode = this.#inodes.get(number);
				if (inode !== undefined) directory.advanceTimes(inode.changeTime);
			}
		}
	}

	/** Frees what mappings held before, then takes what they hold now: blocks may have moved. */
	#writeData(): void {
		const changed = [...this.#inodes.values()].filter(inode => inode.former !== undefined);
		for (const {former} of changed) {
			for (const {physical, length} of former?.runs ?? []) this.#setBlocks(physical, length, false);
			for (const node of former?.nodes ?? []) this.#setBlocks(node, 1, false);
		}
		for (const block of this.#releasedXattrBlocks) {
			if (releaseXattrBlock(this.#volume, this.#blocks, block)) this.#setBlocks(block, 1, false);
		}
		for (const {runs} of changed) {
			for (const {physical, length} of runs) this.#setBlocks(physical, length, true);
		}
	}

	#setBlocks(start: number, length: number, isUsed: boolean): void {
		this.#bitmaps.setBlocks(start, length, isUsed);
	}

	#writeInode(inode: EditedInode): void {
		// One that was looked for and not found is left as it lies.
		if (inode.linkCount === 0 && inode.base === undefined && inode.former === undefined) return;
		const append = (directory: EditedInode, logical: number) => this.#append(directory, logical);
		writeDirectory(this.#volume, this.#blocks, inode, append, this.#bounds);
		const nodes = this.#writeMapping(inode);
		if (inode.linkCount > 0) inode.setClusterCount(this.#countClusters(inode, nodes));
		inode.seal();
		const {block, at} = this.#volume.locateInode(inode.number);
		this.#blocks.open(block.number).bytes.set(inode.bytes, at);
	}

	/** Writes the tree of a mapping that was changed; returns how many blocks the tree has. */
	#writeMapping(inode: EditedInode): number {
		const isExtents = (inode.flags & inodeFlags.extents) !== 0;
		if (inode.former === undefined) return inode.mappingBlocks().length;
		if (!isExtents) {
			if (inode.runs.length === 0) return 0;
			throw bad('has a range for a file without extents', inode.number);
		}
		const {root, nodes} = writeExtentTree(inode.runs, {
			blockSize: this.#volume.geometry.blockSize,
			checksumSeed: inode.checksumSeed,
			allocate: () => {
				const number = this.#bitmaps.allocateCluster(this.#goalOf(inode));
				return {number, block: this.#blocks.create(number)};
			},
		});
		inode.bytes.set(root, i_block.at);
		return nodes.length;
	}

	/** Each node has a cluster of its own; neighbouring runs may share one. */
	#countClusters(inode: EditedInode, nodes: number): number {
		const clusterBlocks = 2 ** this.#volume.geometry.clusterBits;
		let count = nodes + (inode.xattrBlock === 0 ? 0 : 1) + this.#countXattrClusters(inode);
		let last = -1;
		for (const {physical, length} of inode.runs) {
			const from = Math.floor(physical / clusterBlocks);
			const to = Math.floor((physical + length - 1) / clusterBlocks);
			count += to - from + (from === last ? 0 : 1);
			last = to;
		}
		return count;
	}

	/** Values that lie in inodes of their own count as their owner's, each in whole clusters. */
	#countXattrClusters({base}: EditedInode): number {
		if (base === undefined || !this.#volume.features.has('ea_inode')) return 0;
		const {clusterSize} = this.#volume.geometry;
		return listXattrs(this.#volume, base)
			.filter(({valueInode}) => valueInode !== 0)
			.reduce((count, {sizeBytes}) => count + Math.ceil(sizeBytes / clusterSize), 0);
	}

	#goalOf(inode: EditedInode): number {
		return Math.floor((inode.number - 1) / this.#volume.geometry.inodesPerGroup);
	}

	/** Gives a directory one block more, in the cluster of the block before where there is room. */
	#append(inode: EditedInode, logical: number): number {
		if (!this.#volume.features.has('extent')) throw bad('needs extents, which are not there');
		// What others held was freed by now; so this one's tree is freed as its turn comes.
		const nodes = inode.former === undefined ? inode.mappingBlocks() : [];
		for (const node of nodes) this.#setBlocks(node, 1, false);
		const inCluster = logical % 2 ** this.#volume.geometry.clusterBits;
		const before = inCluster > 0 ? this.#physicalOf(inode, logical - 1) : undefined;
		const physical =
			before === undefined
				? this.#bitmaps.allocateCluster(this.#goalOf(inode)) + inCluster
				: before + 1;
		inode.changeMapping({kind: 'mapped', logical, length: 1, physical});
		this.#lastAppended = {inode, logical, physical};
		// A block map is given up for a tree: the volume has both.
		inode.flags |= inodeFlags.extents;
		return physical;
	}

	#physicalOf(inode: EditedInode, logical: number): number | undefined {
		const last = this.#lastAppended;
		if (last?.inode === inode && last.logical === logical) return last.physical;
		const run = inode.runs.find(({logical: from, length}) => logical < from + length);
		return run !== undefined && run.logical <= logical
			? run.physical + logical - run.logical
			: undefined;
	}
}

/**
 * Applies `operations` to the file system that `volume` shows, and lays the blocks that change
 * over. `volume` must not be used afterwards: what it has cached is out of date.
 *
 * Throws `CorruptError` for changes that can't be, and where what they change is corrupt;
 * `DeviceError`.
 */
export function replayOperations(
	volume: Volume,
	operations: readonly FastCommitOperation[],
	overlay: Overlay,
): void {
	const bounds = new ReplayBounds(volume);
	bounds.within(() => new Replay(volume, operations, bounds).run(overlay));
}
