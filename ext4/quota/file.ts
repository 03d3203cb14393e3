/**
 * A quota file: its blocks, and where the entry of an id lies in them. Nothing is kept decoded:
 * usage is changed in the block itself, which a handle saves and rolls back like any other.
 */

import {allocatorOf} from '../allocator/state.ts';
import type {CachedBlock} from '../block-cache.ts';
import {CorruptError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {type Inode, inodeFlags, reservedInode} from '../layout/inode.ts';
import {
	qt_disk_dqdbheader,
	quotaBlockSize,
	quotaEntriesMax,
	quotaMagic,
	quotaRootBlock,
	quotaTreeDepth,
	quotaVersion,
	v2_disk_dqheader,
	v2r1_disk_dqblk,
} from '../layout/quota.ts';
import {mapAt} from '../mapping/map.ts';
import type {Volume} from '../volume.ts';

export type QuotaType = 'user' | 'group' | 'project';

/** A place in a cached block. */
export type Place = {readonly block: CachedBlock; readonly at: number};

/** Where an entry lies on the device; it stays there as long as the file does. */
type EntryAt = {readonly physical: number; readonly at: number};

/** Places of entries that are remembered. */
const knownMax = 4096;

export class QuotaFile {
	readonly type: QuotaType;
	readonly volume: Volume;
	readonly inodeNumber: number;
	readonly #known = new Map<number, EntryAt>();

	/** Throws `CorruptError` with EXT4_BAD_QUOTA where the file is no quota file of that type. */
	constructor(volume: Volume, type: QuotaType, inodeNumber: number) {
		this.volume = volume;
		this.type = type;
		this.inodeNumber = inodeNumber;
		const inode = this.inode;
		if (inode.type !== 'file' || (inode.flags & inodeFlags.inlineData) !== 0) {
			this.fail('the inode is no file with blocks');
		}
		const {block, at} = this.blockAt(0);
		const header = v2_disk_dqheader.at(block.view, at);
		if (header.dqh_magic !== quotaMagic[type] || header.dqh_version !== quotaVersion) {
			this.fail(
				`magic 0x${header.dqh_magic.toString(16)}, version ${header.dqh_version} in the header`,
			);
		}
	}

	get inode(): Inode {
		return this.volume.readReservedInode(this.inodeNumber);
	}

	fail(problem: string): never {
		throw new CorruptError('EXT4_BAD_QUOTA', `the ${this.type} quota: ${problem}`, {
			inode: this.inodeNumber,
		});
	}

	/** The physical block that holds quota block `number`; undefined where the file has a hole. */
	physicalOf(number: number): number | undefined {
		const {blockSize} = this.volume.geometry;
		const logical = Math.floor((number * quotaBlockSize) / blockSize);
		const run = mapAt(this.volume, this.inode, logical);
		if (run.kind !== 'mapped') return undefined;
		const physical = run.physical + (logical - run.logical);
		if (allocatorOf(this.volume).zones.overlaps(physical, physical + 1)) {
			this.fail(`block ${number} lies in other metadata`);
		}
		return physical;
	}

	/** Quota block `number`, which a reference in the file names. */
	blockAt(number: number): Place {
		const {blockSize} = this.volume.geometry;
		const isInside = (number + 1) * quotaBlockSize <= this.inode.sizeBytes;
		const physical = isInside ? this.physicalOf(number) : undefined;
		if (physical === undefined) this.fail(`block ${number} does not exist`);
		return {
			block: this.volume.cache.read(physical),
			at: (number * quotaBlockSize) % blockSize,
		};
	}

	/** The reference that leads on to `id` in a block of the tree, `level` steps below the root. */
	referenceAt(place: Place, level: number, id: number): number {
		return place.block.view.getUint32(place.at + this.referenceOffset(level, id), true);
	}

	/** Where that reference lies in the block, in bytes. */
	referenceOffset(level: number, id: number): number {
		return ((id >>> (8 * (quotaTreeDepth - 1 - level))) & 0xff) * 4;
	}

	/** The entry of `id`; undefined where it has none. Throws `CorruptError`, `DeviceError`. */
	find(id: number): Place | undefined {
		const known = this.#known.get(id);
		if (known !== undefined) {
			return {block: this.volume.cache.read(known.physical), at: known.at};
		}
		let number: number = quotaRootBlock;
		for (let level = 0; level < quotaTreeDepth; level++) {
			const place = this.blockAt(number);
			number = this.referenceAt(place, level, id);
			if (number === 0) return undefined;
			if (number <= quotaRootBlock) this.fail(`a reference to block ${number}`);
		}
		const found = this.#findInBlock(number, id);
		if (found === undefined) this.fail(`no entry for ${id} where the tree leads`);
		this.#remember(id, found);
		return found;
	}

	/** `place` is where a handle has just made the entry of `id`. */
	remember(handle: Handle, id: number, place: Place): void {
		this.#remember(id, place);
		handle.onRollback(() => this.#known.delete(id));
	}

	#remember(id: number, place: Place): void {
		if (this.#known.size >= knownMax) this.#known.clear();
		this.#known.set(id, {physical: place.block.number, at: place.at});
	}

	#findInBlock(number: number, id: number): Place | undefined {
		const {block, at} = this.blockAt(number);
		for (let index = 0; index < quotaEntriesMax; index++) {
			const entryAt = at + qt_disk_dqdbheader.sizeBytes + index * v2r1_disk_dqblk.sizeBytes;
			const isId = v2r1_disk_dqblk.at(block.view, entryAt).dqb_id === id;
			// A free entry has zeros in place of its id, too.
			if (isId && (id !== 0 || !isFreeEntry({block, at: entryAt}))) return {block, at: entryAt};
		}
		return undefined;
	}
}

export function isFreeEntry({block, at}: Place): boolean {
	for (let offset = 0; offset < v2r1_disk_dqblk.sizeBytes; offset++) {
		if (block.bytes[at + offset] !== 0) return false;
	}
	return true;
}

const filesOfVolume = new WeakMap<Volume, readonly QuotaFile[]>();

/** The quota files of a volume; none where it keeps no quotas. Throws `CorruptError`. */
export function quotaFiles(volume: Volume): readonly QuotaFile[] {
	const known = filesOfVolume.get(volume);
	if (known !== undefined) return known;
	const files: QuotaFile[] = [];
	if (volume.features.has('quota')) {
		const {quotaInodes} = volume.superblock;
		for (const type of ['user', 'group', 'project'] as const) {
			if (quotaInodes[type] !== 0) files.push(new QuotaFile(volume, type, quotaInodes[type]));
		}
	}
	filesOfVolume.set(volume, files);
	return files;
}

/** The id that an inode counts for in quotas of that type. */
export function ownerOf(inode: Inode, type: QuotaType): number {
	if (type === 'user') return inode.uid;
	return type === 'group' ? inode.gid : inode.projectId;
}

/**
 * Whether an inode counts at all: those of the file system itself do not, and what an attribute's
 * inode takes is charged to the owners of the attribute.
 */
export function isCounted(volume: Volume, inode: Inode): boolean {
	const {quotaInodes, orphanFileInode, geometry} = volume.superblock;
	const {number} = inode;
	if ((inode.flags & inodeFlags.eaInode) !== 0) return false;
	if (number < geometry.firstInode) return number === reservedInode.root;
	return (
		number !== quotaInodes.user &&
		number !== quotaInodes.group &&
		number !== quotaInodes.project &&
		number !== orphanFileInode
	);
}
