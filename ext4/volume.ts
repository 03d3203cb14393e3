/**
 * An open file system: its superblock, its groups, its inodes. What an operation needs beyond
 * that (mapping, directories, attributes) are functions that take the volume.
 */
import {BlockCache, type CachedBlock} from './block-cache.ts';
import {crc32cOf, crc32cOfU32} from './checksum.ts';
import type {BlockDevice} from './device.ts';
import {AssertionError, CorruptError, FileError} from './errors.ts';
import {GroupTable} from './groups.ts';
import {replayOperations} from './journal/fast-commit/replay.ts';
import type {Handle} from './journal/handle.ts';
import {OverlayDevice} from './journal/overlay-device.ts';
import {recover} from './journal/recover.ts';
import type {RecoveryResult} from './journal/recovery.ts';
import type {RunOptions, Transactions} from './journal/transactions.ts';
import type {Features} from './layout/features.ts';
import type {Group, MutableGroup} from './layout/group.ts';
import {
	decodeInode,
	encodeInode,
	type Inode,
	type InodeContext,
	inodeBaseSize,
	inodeChecksumHighAt,
	inodeChecksumLowAt,
	inodeFlags,
	type MutableInode,
	reservedInode,
	type Timestamp,
} from './layout/inode.ts';
import {ext4_super_block, type Geometry, superblockPosition} from './layout/superblock.ts';
import {encodeSuperblock, type MutableSuperblock, readSuperblock} from './superblock.ts';
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
	/** Changed only through `Handle.editSuperblock`, and by who mounts and unmounts. */
	readonly superblock: MutableSuperblock;
	readonly cache: BlockCache;
	readonly hashes: Hashes | undefined;
	/** What the replay of the journal brought; undefined where none was needed or wanted. */
	recovery: RecoveryResult | undefined;
	/** Why some inodes that a crash had left without a name could not be freed when mounting. */
	orphanProblem: CorruptError | FileError | undefined;
	readonly #groups: GroupTable;
	readonly #inodeContext: InodeContext;
	readonly #inodeScratch: Uint8Array;
	#youngInodes = new Map<number, Inode>();
	#oldInodes = new Map<number, Inode>();

	/** Defined where the volume is open for writing, by `openForWriting`. */
	transactions: Transactions | undefined;
	/** Any 32-bit number, for generations and the like; given by `openForWriting`. */
	random: () => number = () => {
		throw new AssertionError('a volume that is open for reading needs no random numbers');
	};

	private constructor(device: BlockDevice, superblock: MutableSuperblock, options: VolumeOptions) {
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
		const asItLies = Volume.openAsItLies(device, options);
		const needsRecovery =
			asItLies.features.has('has_journal') && asItLies.features.has('needs_recovery');
		if (!needsRecovery || options.journal === 'ignore') {
			asItLies.assertRoot();
			return asItLies;
		}
		const recovery = recover(asItLies);
		const overlaid = new OverlayDevice(device, recovery.overlay);
		let replayed = Volume.openAsItLies(overlaid, options);
		const {operations} = recovery.fastCommits;
		if (operations.length > 0) {
			replayOperations(replayed, operations, recovery.overlay);
			replayed = Volume.openAsItLies(overlaid, options); // What the other has cached is out of date.
		}
		replayed.recovery = recovery;
		replayed.assertRoot();
		return replayed;
	}

	/**
	 * Opens what lies on `device`, whether its journal was brought home or not, and looks at nothing
	 * but the superblock: for who is about to mount it. Throws as `open`.
	 */
	static openAsItLies(device: BlockDevice, options: VolumeOptions): Volume {
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

	/**
	 * Runs one operation that changes the file system; see `Transactions.run`. Throws `FileError`
	 * EROFS where the volume is not open for writing.
	 */
	transact<T>(operation: (handle: Handle) => T, options?: RunOptions): T {
		if (this.transactions === undefined) {
			throw new FileError('EROFS', 'the file system is open for reading only');
		}
		return this.transactions.run(operation, options);
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
		const inode =
			this.transactions?.handle?.edited(number) ??
			this.#oldInodes.get(number) ??
			this.#decodeInode(number);
		this.keepInode(inode);
		return inode;
	}

	/** Remembers a decoded inode. */
	keepInode(inode: Inode): void {
		if (this.#youngInodes.size >= inodesPerGeneration) {
			this.#oldInodes = this.#youngInodes;
			this.#youngInodes = new Map();
		}
		this.#youngInodes.set(inode.number, inode);
	}

	/** What was decoded of an inode does not hold any more. */
	dropInode(number: number): void {
		this.#youngInodes.delete(number);
		this.#oldInodes.delete(number);
	}

	/**
	 * Writes an inode's fields, and its checksum, to its place in the inode table's block. Throws
	 * `FileError` EFBIG where its space can't be counted, `CorruptError`, `DeviceError`.
	 */
	writeInode(inode: MutableInode): void {
		const {block, at} = this.locateInode(inode.number);
		if (inode.sectors >= 2 ** 32 && !this.#inodeContext.hasHugeFile) {
			throw new FileError('EFBIG', 'without huge_file a file takes less than 2 TiB');
		}
		encodeInode(inode, block.view, at, this.#inodeContext);
		if (!this.superblock.hasInodeChecksums) return;
		const sum = this.#inodeChecksum(inode.checksumSeed, block, at);
		block.view.setUint16(at + inodeChecksumLowAt, sum & 0xffff, true);
		if (this.#hasHighChecksum(block, at)) {
			block.view.setUint16(at + inodeChecksumHighAt, sum >>> 16, true);
		}
	}

	/** For `Handle` alone. */
	editGroup(index: number): MutableGroup {
		return this.#groups.edit(index);
	}

	/** Writes changed group descriptors into their blocks; for the commit. */
	writeGroups(add: (block: CachedBlock) => void): void {
		this.#groups.writeChanged(add);
	}

	/** Writes the superblock into its block; for the commit, and when mounting and unmounting. */
	writeSuperblock(time: Timestamp, add: (block: CachedBlock) => void): void {
		const {superblock, cache} = this;
		const {blockSize} = this.geometry;
		superblock.writeTime = Math.max(0, time.seconds);
		encodeSuperblock(superblock);
		const block = cache.read(Math.floor(superblockPosition / blockSize));
		const bytes = new Uint8Array(superblock.view.buffer, superblock.view.byteOffset, 1024);
		block.bytes.set(bytes, superblockPosition % blockSize);
		add(block);
	}

	/**
	 * Notes in the superblock that the file system is damaged, and where; the next commit writes it. The
	 * fields of it that lie in the superblock's second sector stay as they are: docs/decisions/superblock.md.
	 */
	recordError(error: CorruptError, time: Timestamp): void {
		this.superblock.hasErrors = true;
		const raw = ext4_super_block.edit(this.superblock.view, 0);
		const seconds = Math.max(0, time.seconds) % 2 ** 32;
		const where = Uint8Array.from(error.code.slice(0, 31), letter => letter.charCodeAt(0));
		if (raw.s_error_count === 0) {
			raw.s_first_error_time = seconds;
			raw.s_first_error_ino = error.place.inode ?? 0;
			raw.s_first_error_block = error.place.block ?? 0;
			raw.s_first_error_func = where;
			raw.s_first_error_line = 0;
		}
		raw.s_last_error_time = seconds;
		raw.s_last_error_ino = error.place.inode ?? 0;
		raw.s_last_error_block = error.place.block ?? 0;
		raw.s_last_error_func = where;
		raw.s_last_error_line = 0; // The kernel may have left one, of another function.
		raw.s_error_count = Math.min(raw.s_error_count + 1, 0xffff_ffff);
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
		const hasHigh = this.#hasHighChecksum(block, at);
		const low = block.view.getUint16(at + inodeChecksumLowAt, true);
		const high = hasHigh ? block.view.getUint16(at + inodeChecksumHighAt, true) : 0;
		const found = high * 0x1_0000 + low;
		const sum = this.#inodeChecksum(seed, block, at);
		const expected = hasHigh ? sum : sum & 0xffff;
		if (found !== expected) {
			throw new CorruptError(
				'EXT4_BAD_INODE_CHECKSUM',
				`an inode's checksum is 0x${found.toString(16)}; its contents make 0x${expected.toString(16)}`,
				{inode: number, block: block.number},
			);
		}
	}

	/** Whether the inode has room for the upper half of its checksum. */
	#hasHighChecksum(block: CachedBlock, at: number): boolean {
		return this.geometry.inodeSize > inodeBaseSize && block.view.getUint16(at + 0x80, true) >= 4;
	}

	/** All 32 bits of it, over the inode with zeros in place of the checksum. */
	#inodeChecksum(seed: number, block: CachedBlock, at: number): number {
		const bytes = this.#inodeScratch;
		bytes.set(block.bytes.subarray(at, at + this.geometry.inodeSize));
		bytes[inodeChecksumLowAt] = 0;
		bytes[inodeChecksumLowAt + 1] = 0;
		if (this.#hasHighChecksum(block, at)) {
			bytes[inodeChecksumHighAt] = 0;
			bytes[inodeChecksumHighAt + 1] = 0;
		}
		return crc32cOf(seed, bytes);
	}

	/** Throws `CorruptError` where there is no root directory. */
	assertRoot(): void {
		const root = this.readInode(reservedInode.root);
		if (root.type !== 'directory') {
			throw new CorruptError('EXT4_BAD_INODE', `the root is a ${root.type}, not a directory`, {
				inode: reservedInode.root,
			});
		}
	}
}
