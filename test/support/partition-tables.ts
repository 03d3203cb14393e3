/** Partition tables and superblocks, written into bytes. Numbers are sectors unless they say otherwise. */
import crc32 from 'crc-32';

export type Entry = {start: number; length: number; type?: number; status?: number};

/** Writes up to four entries and the signature into the sector at `at` bytes. */
export function writeMbr(disk: Uint8Array, entries: readonly Entry[], at = 0): void {
	const view = new DataView(disk.buffer, disk.byteOffset + at, 512);
	for (const [index, entry] of entries.entries()) {
		const from = 446 + index * 16;
		view.setUint8(from, entry.status ?? 0);
		view.setUint8(from + 4, entry.type ?? 0x83);
		view.setUint32(from + 8, entry.start, true);
		view.setUint32(from + 12, entry.length, true);
	}
	view.setUint16(510, 0xaa55, true);
}

export type GptPartition = {first: number; last: number; name?: string; number?: number};

export type GptOptions = {
	sectorSize?: number;
	entryCount?: number;
	entrySize?: number;
	/** Changes a header before its checksum is made. */
	adjust?: (header: DataView, which: 'primary' | 'backup') => void;
};

const linuxData = 'af3dc60f838472478e793d69d8477de4'; // 0fc63daf-8483-4772-8e79-3d69d8477de4.

function gptEntries(partitions: readonly GptPartition[], count: number, size: number): Uint8Array {
	const bytes = new Uint8Array(count * size);
	const view = new DataView(bytes.buffer);
	for (const [index, partition] of partitions.entries()) {
		const at = ((partition.number ?? index + 1) - 1) * size;
		bytes.set(Buffer.from(linuxData, 'hex'), at);
		bytes.set([index + 1], at + 16);
		view.setBigUint64(at + 32, BigInt(partition.first), true);
		view.setBigUint64(at + 40, BigInt(partition.last), true);
		bytes.set(Buffer.from(partition.name ?? '', 'utf16le'), at + 56);
	}
	return bytes;
}

/** Writes a protective MBR and both copies of a GPT. The backup ends with the disk's last sector. */
export function writeGpt(
	disk: Uint8Array,
	partitions: readonly GptPartition[],
	options: GptOptions = {},
): void {
	const {sectorSize = 512, entryCount = 128, entrySize = 128} = options;
	const sectors = Math.floor(disk.length / sectorSize);
	const entries = gptEntries(partitions, entryCount, entrySize);
	const entriesSectors = Math.ceil(entries.length / sectorSize);
	writeMbr(disk, [{start: 1, length: sectors - 1, type: 0xee}]);
	const places = [
		{which: 'primary', mine: 1, other: sectors - 1, entriesAt: 2},
		{which: 'backup', mine: sectors - 1, other: 1, entriesAt: sectors - 1 - entriesSectors},
	] as const;
	for (const {which, mine, other, entriesAt} of places) {
		disk.set(entries, entriesAt * sectorSize);
		const header = new Uint8Array(92);
		const view = new DataView(header.buffer);
		header.set(Buffer.from('EFI PART'));
		view.setUint32(8, 0x10000, true);
		view.setUint32(12, 92, true);
		view.setBigUint64(24, BigInt(mine), true);
		view.setBigUint64(32, BigInt(other), true);
		view.setBigUint64(40, BigInt(2 + entriesSectors), true);
		view.setBigUint64(48, BigInt(sectors - 2 - entriesSectors), true);
		header.set([1, 2, 3, 4], 56);
		view.setBigUint64(72, BigInt(entriesAt), true);
		view.setUint32(80, entryCount, true);
		view.setUint32(84, entrySize, true);
		view.setUint32(88, crc32.buf(entries) >>> 0, true);
		options.adjust?.(view, which);
		view.setUint32(16, crc32.buf(header) >>> 0, true);
		disk.set(header, mine * sectorSize);
	}
}

/** As much of a superblock as tells an ext file system from others. */
export function writeExtMark(disk: Uint8Array, startBytes: number, label = ''): void {
	const view = new DataView(disk.buffer, disk.byteOffset + startBytes + 1024, 1024);
	view.setUint16(0x38, 0xef53, true);
	disk.set(Buffer.from(label), startBytes + 1024 + 0x78);
}
