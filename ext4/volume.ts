/**
 * An open file system: its superblock, its groups, its inodes. What an operation needs beyond
 * that (mapping, directories, attributes) are functions that take the volume.
 */
import {BlockCache, type CachedBlock} from './block-cache.ts';
import {crc32cOf, crc32cOfU32} from './checksum.ts';
import type {BlockDevice} from './device.ts';
import {CorruptError} from './errors.ts';
import {GroupTable} from './groups.ts';
import {replayOperations} from './journal/fast-commit/replay.ts';
import {OverlayDevice} from './journal/overlay-device.ts';
import {recover} from './journal/recover.ts';
import type {RecoveryResult} from './journal/recovery.ts';
import type {Features} from './layout/features.ts';
import type {Group} from './layout/group.ts';
import {
	decodeInode,
	type Inode,
	type InodeContext,
	inodeBaseSize,
	inodeChecksumHighAt,
	inodeChecksumLowAt,
	inodeFlags,
	reservedInode,
} from './layout/inode.ts';
import type {Geometry} from './layout/superblock.ts';
import {readSuperblock, type Superblock} from './superblock.ts';
import type {Hashes} from './verity.ts';

export type VolumeOptions = {
	/** Bound of the block cache, in bytes. */
	readonly cacheBytes?: number;
	/** Needed by verity files and by long encrypted names; asking for those without fails. */
	readonly hashes?: Hashes;
	/**
	 * What to do about a journal that was not brought home: `replay` (the default) reads the file
	 * system as it is after a replay, which happens in memory; `ignore` reads what is there.
	 */
	readonly journal?: 'replay' | 'ignore';
};

const defaultCacheBytes = 24 * 1024 * 1024;
/** Decoded inodes kept, in each of two generations; some 600 bytes each. */
const inodesPerGeneration = 4096;

export class Volume {
	readonly device: BlockDevice;
	readonly superblock: Superblock;
	readonly cache: BlockCache;
	readonly hashes: Hashes | undefined;
	/** What the replay of the journal brought; undefined where none was needed or wanted. */
	recovery: RecoveryResult | undefined;
	readonly #groups: GroupTable;
	readonly #inodeContext: InodeContext;
	readonly #inodeScratch: Uint8Array;
	#youngInodes = new Map<number, Inode>();
	#oldInodes = new Map<number, Inode>();

	private constructor(device: BlockDevice, superblock: Superblock, options: VolumeOptions) {
		const {geometry, features} = superblock;
		this.device = device;
		this.superblock = superblock;
		this.hashes = options.hashes;
		this.cache = new BlockCache(
			device,
			geometry.blockSize,
			geometry.blockCount,
			options.cacheBytes ?? defaultCacheBytes,
		);
		this.#groups = new GroupTable(superblock, this.cache);
		this.#inodeScratch = new Uint8Array(geometry.inodeSize);
		this.#inodeContext = {
			inodeSize: geometry.inodeSize,
			blockSize: geometry.blockSize,
			isHurd: superblock.isHurd,
			hasHugeFile: features.has('huge_file'),
			hasLargeDirectory: features.has('large_dir'),
			has64bit: features.has('64bit'),
		};
	}

	/**
	 * Opens the file system on `device` for reading; never writes to it.
	 *
	 * Throws `CorruptError` (EXT4_NOT_EXT where there is none), `UnsupportedError` for features
	 * that can't be read, `DeviceError`. A damaged journal is corruption too; `journal: 'ignore'`
	 * opens the file system without it.
	 */
	static open(device: BlockDevice, options: VolumeOptions = {}): Volume {
		const asItLies = Volume.#openAsItLies(device, options);
		const needsRecovery =
			asItLies.features.has('has_journal') && asItLies.features.has('needs_recovery');
		if (!needsRecovery || options.journal === 'ignore') {
			asItLies.#assertRoot();
			return asItLies;
		}
		const recovery = recover(asItLies);
		const overlaid = new OverlayDevice(device, recovery.overlay);
		let replayed = Volume.#openAsItLies(overlaid, options);
		const {operations} = recovery.fastCommits;
		if (operations.length > 0) {
			replayOperations(replayed, operations, recovery.overlay);
			replayed = Volume.#openAsItLies(overlaid, options); // What the other has cached is out of date.
		}
		replayed.recovery = recovery;
		replayed.#assertRoot();
		return replayed;
	}

	static #openAsItLies(device: BlockDevice, options: VolumeOptions): Volume {
		const superblock = readSuperblock(device);
		const {blockCount, blockSize} = superblock.geometry;
		if (blockCount * blockSize > device.sizeBytes) {
			throw new CorruptError(
				'EXT4_TRUNCATED',
				`the file system is ${blockCount * blockSize} bytes long, but only ${device.sizeBytes} are there`,
			);
		}
		return new Volume(device, superblock, options);
	}

	get features(): Features {
		return this.superblock.features;
	}

	get geometry(): Geometry {
		return this.superblock.geometry;
	}

	/** The descriptor of group `index`. Throws `CorruptError`. */
	group(index: number): Group {
		return this.#groups.get(index);
	}

	/**
	 * The inode of a file that a directory may name: the root or an ordinary one. Throws
	 * `CorruptError` for a number that no directory may name, a free inode, a failed checksum.
	 */
	readInode(number: number): Inode {
		const inode = this.readValueInode(number);
		if ((inode.flags & inodeFlags.eaInode) !== 0) {
			throw new CorruptError('EXT4_BAD_INODE', "an attribute's value is named as a file", {
				inode: number,
			});
		}
		return inode;
	}

	/** As `readInode`, but the inode may be one that holds the value of an attribute. */
	readValueInode(number: number): Inode {
		if (this.#isReserved(number)) {
			throw new CorruptError(
				'EXT4_BAD_INODE_NUMBER',
				`inode ${number} is reserved; a directory can't name it`,
			);
		}
		const inode = this.readReservedInode(number);
		if (inode.linkCount === 0) {
			throw new CorruptError('EXT4_INODE_FREE', 'an inode in use has no links', {inode: number});
		}
		return inode;
	}

	/** As `readInode`, for any number that the inode tables hold and whatever its link count. */
	readReservedInode(number: number): Inode {
		const young = this.#youngInodes.get(number);
		if (young !== undefined) return young;
		const inode = this.#oldInodes.get(number) ?? this.#decodeInode(number);
		if (this.#youngInodes.size >= inodesPerGeneration) {
			this.#oldInodes = this.#youngInodes;
			this.#youngInodes = new Map();
		}
		this.#youngInodes.set(number, inode);
		return inode;
	}

	/**
	 * Where the bytes of an inode lie: a cached block and the offset in it, in bytes. What follows
	 * the fields, up to the inode's size, may hold attributes.
	 */
	locateInode(number: number): {readonly block: CachedBlock; readonly at: number} {
		const {geometry} = this.superblock;
		if (number < 1 || number > geometry.inodeCount) {
			throw new CorruptError(
				'EXT4_BAD_INODE_NUMBER',
				`inode ${number} does not exist: there are ${geometry.inodeCount}`,
			);
		}
		const group = this.group(Math.floor((number - 1) / geometry.inodesPerGroup));
		const position = ((number - 1) % geometry.inodesPerGroup) * geometry.inodeSize;
		const blockNumber = group.inodeTable + Math.floor(position / geometry.blockSize);
		const block = this.cache.readAhead(blockNumber, group.inodeTable, geometry.inodeTableBlocks);
		return {block, at: position % geometry.blockSize};
	}

	/** The sum that the blocks belonging to an inode start from; 0 without metadata_csum. */
	inodeChecksumSeed(number: number, generation: number): number {
		if (!this.features.has('metadata_csum')) return 0;
		return crc32cOfU32(crc32cOfU32(this.superblock.checksumSeed, number), generation);
	}

	#isReserved(number: number): boolean {
		const {quotaInodes, orphanFileInode, geometry} = this.superblock;
		if (number === reservedInode.root) return false;
		return (
			number < geometry.firstInode ||
			number === this.superblock.journalInode ||
			number === quotaInodes.user ||
			number === quotaInodes.group ||
			number === quotaInodes.project ||
			number === orphanFileInode
		);
	}

	#decodeInode(number: number): Inode {
		const {block, at} = this.locateInode(number);
		const generation = block.view.getUint32(at + 0x64, true);
		const seed = this.inodeChecksumSeed(number, generation);
		if (this.superblock.hasInodeChecksums) this.#assertInodeChecksum(number, seed, block, at);
		return decodeInode(number, block.view, at, seed, this.#inodeContext);
	}

	#assertInodeChecksum(number: number, seed: number, block: CachedBlock, at: number): void {
		const size = this.geometry.inodeSize;
		const bytes = this.#inodeScratch;
		bytes.set(block.bytes.subarray(at, at + size));
		const hasHigh = size > inodeBaseSize && block.view.getUint16(at + 0x80, true) >= 4;
		let found = block.view.getUint16(at + inodeChecksumLowAt, true);
		bytes[inodeChecksumLowAt] = 0;
		bytes[inodeChecksumLowAt + 1] = 0;
		if (hasHigh) {
			found += block.view.getUint16(at + inodeChecksumHighAt, true) * 0x1_0000;
			bytes[inodeChecksumHighAt] = 0;
			bytes[inodeChecksumHighAt + 1] = 0;
		}
		const sum = crc32cOf(seed, bytes);
		const expected = hasHigh ? sum : sum & 0xffff;
		if (found !== expected) {
			throw new CorruptError(
				'EXT4_BAD_INODE_CHECKSUM',
				`an inode's checksum is 0x${found.toString(16)}; its contents make 0x${expected.toString(16)}`,
				{inode: number, block: block.number},
			);
		}
	}

	#assertRoot(): void {
		const root = this.readInode(reservedInode.root);
		if (root.type !== 'directory') {
			throw new CorruptError('EXT4_BAD_INODE', `the root is a ${root.type}, not a directory`, {
				inode: reservedInode.root,
			});
		}
	}
}
