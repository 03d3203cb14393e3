/**
 * From a path to the device that holds an ext file system, recognised by content: the whole of a
 * file or block device, a partition on it, or what follows an offset.
 */
import type {BlockDevice} from '../ext4/device.ts';
import {ext4_super_block, superblockMagic, superblockPosition} from '../ext4/layout/superblock.ts';
import {ImageError, printable, sizeText} from './errors.ts';
import {identify} from './identify.ts';
import {type Partition, type PartitionTable, readPartitionTable, windowOf} from './partitions.ts';
import {openRaw, type RawDevice} from './raw.ts';
import {shellName} from './shell-name.ts';
import {Window} from './window.ts';

export type OpenOptions = {
	readonly isWritable?: boolean;
	/** Where the file system starts, in bytes. Excludes `partition`. */
	readonly offsetBytes?: number | undefined;
	/** Which partition holds it, as the kernel numbers them. */
	readonly partition?: number | undefined;
	/** Takes an image whose superblock is overwritten too, where a backup of it is in its place. */
	readonly acceptsBackup?: boolean;
	/** The path by which commands in messages name the image; that which is opened, where one is. */
	readonly name?: string | Uint8Array;
};

export type OpenedImage<Raw extends BlockDevice = RawDevice> = Disposable & {
	/** Starts where the file system does. Closing it closes the image. */
	readonly device: BlockDevice;
	/** The whole image; its descriptor is what a server inherits. */
	readonly raw: Raw;
	readonly offsetBytes: number;
	readonly sizeBytes: number;
	/** The partition that was chosen or found; undefined without a partition table. */
	readonly partition: Partition | undefined;
	/** What is wrong with the partition table and could be got round, in sentences. */
	readonly problems: readonly string[];
};

const listedMax = 16;

type ExtLabel = {readonly label: string};

function readSuperblock(device: BlockDevice, position: number): DataView | undefined {
	if (position + ext4_super_block.sizeBytes > device.sizeBytes) return undefined;
	const bytes = new Uint8Array(ext4_super_block.sizeBytes);
	device.read(position, bytes);
	return new DataView(bytes.buffer);
}

/** The label, where the magic number of ext is in its place; whether the rest is sound, ext4/ finds out. */
function extLabel(device: BlockDevice): ExtLabel | undefined {
	const view = readSuperblock(device, superblockPosition);
	if (view === undefined) return undefined;
	const raw = ext4_super_block.at(view, 0);
	if (raw.s_magic !== superblockMagic) return undefined;
	const bytes = raw.s_volume_name;
	const end = bytes.indexOf(0);
	return {label: new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))};
}

/** The block of the first backup superblock, for an image whose primary one was overwritten. */
function findBackupSuperblock(device: BlockDevice): {block: number; blockSize: number} | undefined {
	for (const blockSize of [4096, 1024, 2048, 8192, 16384, 32768, 65536]) {
		const block = blockSize * 8 + (blockSize === 1024 ? 1 : 0);
		const view = readSuperblock(device, block * blockSize);
		if (view === undefined) continue;
		const raw = ext4_super_block.at(view, 0);
		const isBackup =
			raw.s_magic === superblockMagic &&
			raw.s_block_group_nr === 1 &&
			1024 * 2 ** raw.s_log_block_size === blockSize;
		if (isBackup) return {block, blockSize};
	}
	return undefined;
}

/** Why `device`, which `what` names and which begins at a byte of the image, holds no ext file system. */
function notExt(
	device: BlockDevice,
	what: string,
	offsetBytes: number,
	{name}: OpenOptions,
): ImageError {
	if (device.sizeBytes === 0) return new ImageError('IMAGE_EMPTY', `${what} is empty (0 bytes)`);
	const backup = findBackupSuperblock(device);
	if (backup !== undefined) {
		return new ImageError(
			'IMAGE_NOT_EXT',
			`the superblock of ${what} is overwritten, but there is a backup; on a copy, try: e2fsck -b ${backup.block} -B ${backup.blockSize} ${shellName(name, offsetBytes)}`,
		);
	}
	const guess = identify(device);
	if (guess !== undefined) {
		const advice = guess.advice === undefined ? '' : `; ${guess.advice}`;
		return new ImageError(
			'IMAGE_NOT_EXT',
			`${what} is not an ext file system: it seems to be ${guess.name}${advice}`,
		);
	}
	if (device.sizeBytes < superblockPosition + ext4_super_block.sizeBytes) {
		return new ImageError(
			'IMAGE_TRUNCATED',
			`${what} is ${device.sizeBytes} bytes long; an ext superblock ends at byte 2048`,
		);
	}
	return new ImageError(
		'IMAGE_NOT_EXT',
		`${what} is not an ext file system, and nothing else that is known here (no magic number at byte 1080)`,
	);
}

function describePartition(device: BlockDevice, partition: Partition): string {
	const facts = [`offset ${partition.startBytes}`, sizeText(partition.sizeBytes)];
	const window = windowOf(device, partition);
	if (window === undefined) {
		facts.push('beyond the end of the image');
	} else {
		const ext = extLabel(window);
		if (ext !== undefined && ext.label !== '') facts.push(`label ${printable(ext.label)}`);
		if (ext === undefined) facts.push(identify(window)?.name ?? `type ${partition.type}`);
	}
	if (partition.name !== '') facts.push(`name ${printable(partition.name)}`);
	return `${partition.number} (${facts.join(', ')})`;
}

function listPartitions(device: BlockDevice, partitions: readonly Partition[]): string {
	const listed = partitions.slice(0, listedMax).map(each => describePartition(device, each));
	const more = partitions.length - listed.length;
	return listed.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

function isExt(device: BlockDevice, partition: Partition): boolean {
	const window = windowOf(device, partition);
	return window !== undefined && extLabel(window) !== undefined;
}

/**
 * An MBR counts in sectors and does not say how large they are. Where nothing is found with 512
 * bytes and an ext file system is with 4096, the image is of such a disk.
 */
function findTable(device: BlockDevice): PartitionTable | undefined {
	const table = readPartitionTable(device);
	if (table === undefined) return undefined;
	if (table.scheme === 'damaged') {
		throw new ImageError(
			'IMAGE_BAD_PARTITION_TABLE',
			`${table.problem}; name where the file system starts with --offset BYTES`,
		);
	}
	if (table.scheme === 'mbr' && !table.partitions.some(each => isExt(device, each))) {
		const other = readPartitionTable(device, 4096);
		if (other?.scheme === 'mbr' && other.partitions.some(each => isExt(device, each))) return other;
	}
	return table;
}

type Found = {
	readonly window: Window;
	readonly partition: Partition | undefined;
	readonly problems: readonly string[];
};

function isAcceptable(device: BlockDevice, {acceptsBackup = false}: OpenOptions): boolean {
	if (extLabel(device) !== undefined) return true;
	return acceptsBackup && findBackupSuperblock(device) !== undefined;
}

function enter(
	device: BlockDevice,
	table: PartitionTable,
	partition: Partition,
	options: OpenOptions,
): Found {
	const window = windowOf(device, partition);
	if (window === undefined) {
		throw new ImageError(
			'IMAGE_TRUNCATED',
			`partition ${partition.number} starts at byte ${partition.startBytes}, but the image ends at ${device.sizeBytes}`,
		);
	}
	if (!isAcceptable(window, options)) {
		throw notExt(window, `partition ${partition.number}`, window.startBytes, options);
	}
	return {window, partition, problems: table.problems};
}

function findByNumber(device: BlockDevice, number: number, options: OpenOptions): Found {
	const table = findTable(device);
	if (table === undefined) {
		throw new ImageError('IMAGE_NO_PARTITION_TABLE', 'the image has no partition table');
	}
	const partition = table.partitions.find(each => each.number === number);
	if (partition === undefined) {
		const there = table.partitions.length === 0 ? 'none' : listPartitions(device, table.partitions);
		throw new ImageError(
			'IMAGE_NO_SUCH_PARTITION',
			`there is no partition ${number}; there is: ${there}`,
		);
	}
	return enter(device, table, partition, options);
}

function findByOffset(device: BlockDevice, offsetBytes: number, options: OpenOptions): Found {
	if (offsetBytes >= device.sizeBytes) {
		throw new ImageError(
			'IMAGE_BAD_OFFSET',
			`byte ${offsetBytes} lies beyond the end of the image, which has ${device.sizeBytes} bytes`,
		);
	}
	const window = new Window(device, offsetBytes, device.sizeBytes - offsetBytes);
	if (!isAcceptable(window, options)) {
		throw notExt(window, `what follows byte ${offsetBytes}`, offsetBytes, options);
	}
	return {window, partition: undefined, problems: []};
}

function findByContent(device: BlockDevice, options: OpenOptions): Found {
	// A file system on the whole device goes first: its boot sector may hold anything.
	if (extLabel(device) !== undefined) {
		const window = new Window(device, 0, device.sizeBytes);
		return {window, partition: undefined, problems: []};
	}
	const table = findTable(device);
	if (table === undefined) {
		if (!isAcceptable(device, options)) throw notExt(device, 'this', 0, options);
		const window = new Window(device, 0, device.sizeBytes);
		return {window, partition: undefined, problems: []};
	}
	const candidates = table.partitions.filter(each => isExt(device, each));
	const [only, another] = candidates;
	if (only === undefined) {
		const what =
			table.partitions.length === 0
				? 'no partitions at all'
				: listPartitions(device, table.partitions);
		throw new ImageError(
			'IMAGE_NO_EXT_PARTITION',
			`no partition of this disk holds an ext file system; it has ${what}`,
		);
	}
	if (another !== undefined) {
		throw new ImageError(
			'IMAGE_SEVERAL_PARTITIONS',
			`${candidates.length} partitions hold an ext file system, choose one with --partition N: ${listPartitions(device, candidates)}`,
		);
	}
	return enter(device, table, only, options);
}

function find(device: BlockDevice, options: OpenOptions): Found {
	if (options.offsetBytes !== undefined) return findByOffset(device, options.offsetBytes, options);
	if (options.partition !== undefined) return findByNumber(device, options.partition, options);
	return findByContent(device, options);
}

/** As `openImage`, on a device that is open already; which is closed if this throws. */
export function openImageOn<Raw extends BlockDevice>(
	raw: Raw,
	options: OpenOptions = {},
): OpenedImage<Raw> {
	try {
		if (raw.sizeBytes === 0) {
			throw new ImageError('IMAGE_EMPTY', 'the image is empty (0 bytes)');
		}
		const {window, partition, problems} = find(raw, options);
		return {
			device: window,
			raw,
			offsetBytes: window.startBytes,
			sizeBytes: window.sizeBytes,
			partition,
			problems,
			[Symbol.dispose]: () => raw.close(),
		};
	} catch (error) {
		raw.close();
		throw error;
	}
}

/**
 * Opens the ext file system in the file or block device at `path`: the whole of it, the one ext
 * partition, or the place that the options name. Throws `ImageError`, which says what the image
 * seems to be where it is not ext, and `DeviceError`. Whether the file system is sound,
 * `Volume.open` finds out.
 */
export function openImage(path: string | Uint8Array, options: OpenOptions = {}): OpenedImage {
	const raw = openRaw(path, {isWritable: options.isWritable ?? false});
	return openImageOn(raw, {name: path, ...options});
}
