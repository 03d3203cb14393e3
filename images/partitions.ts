/**
 * Partition tables: MBR with logical partitions, and GPT. Both only say where something lies; what
 * lies there is judged by its content (`open.ts`).
 */
import crc32 from 'crc-32';
import type {BlockDevice} from '../ext4/device.ts';
import {structure} from '../ext4/layout/structure.ts';
import {Window} from './window.ts';

export type Partition = {
	/** As the kernel numbers it: `sda5` is 5. */
	readonly number: number;
	/** As the table says, possibly beyond the end of the disk; see `windowOf`. */
	readonly startBytes: number;
	readonly sizeBytes: number;
	/** An MBR type as `0x83`, or a GPT type GUID. */
	readonly type: string;
	/** The name that GPT gives a partition; '' where it has none. From the image: not fit to print. */
	readonly name: string;
};

export type PartitionTable = {
	readonly scheme: 'mbr' | 'gpt';
	readonly sectorSize: number;
	readonly partitions: readonly Partition[];
	/** What was wrong and could be got round, in sentences. */
	readonly problems: readonly string[];
};

/** A table is there but can't be used. `open.ts` makes an `ImageError` of it. */
export type DamagedTable = {readonly scheme: 'damaged'; readonly problem: string};

const mbr_entry = structure('mbr_entry', 16, {
	status: {at: 0, kind: 'u8'},
	type: {at: 4, kind: 'u8'},
	start: {at: 8, kind: 'u32', unit: 'sectors'},
	length: {at: 12, kind: 'u32', unit: 'sectors'},
});
const mbrEntriesAt = 446;
const mbrSignatureAt = 510;
const protectiveType = 0xee;
const extendedTypes: readonly number[] = [0x05, 0x0f, 0x85];
// The kernel gives up after 100 tables without a partition, and numbers no more than 255.
const logicalTablesMax = 256;

type MbrEntry = {
	readonly status: number;
	readonly type: number;
	readonly start: number;
	readonly length: number;
};

function readSector(device: BlockDevice, position: number): DataView | undefined {
	if (!Number.isSafeInteger(position) || position + 512 > device.sizeBytes) return undefined;
	const bytes = new Uint8Array(512);
	device.read(position, bytes);
	return new DataView(bytes.buffer);
}

/** The four entries of the table in this sector; undefined where it bears no signature. */
function readMbrEntries(sector: DataView): MbrEntry[] | undefined {
	if (sector.getUint16(mbrSignatureAt, true) !== 0xaa55) return undefined;
	return [0, 1, 2, 3].map(index => {
		const {status, type, start, length} = mbr_entry.at(sector, mbrEntriesAt + index * 16);
		return {status, type, start, length};
	});
}

const isUsed = (entry: MbrEntry) => entry.type !== 0 && entry.length !== 0;
const isExtended = (entry: MbrEntry) => isUsed(entry) && extendedTypes.includes(entry.type);

/**
 * The signature alone is no proof: the boot sectors of FAT and NTFS bear it too, with code where a
 * table would be. A status other than 0 and 0x80 gives code away.
 */
function looksLikeTable(entries: readonly MbrEntry[]): boolean {
	return (
		entries.every(entry => entry.status === 0 || entry.status === 0x80) &&
		entries.some(entry => isUsed(entry) && entry.start !== 0)
	);
}

function mbrPartition(
	number: number,
	entry: MbrEntry,
	from: number,
	sectorSize: number,
): Partition {
	return {
		number,
		startBytes: (from + entry.start) * sectorSize,
		sizeBytes: entry.length * sectorSize,
		type: `0x${entry.type.toString(16).padStart(2, '0')}`,
		name: '',
	};
}

/**
 * Logical partitions form a chain of tables inside the extended partition: each holds one
 * partition, counted from that table, and a link to the next, counted from the extended partition.
 * Nothing but these checks keeps a chain from turning in a circle.
 */
function readLogical(
	device: BlockDevice,
	extended: MbrEntry,
	sectorSize: number,
	firstNumber: number,
	problems: string[],
): Partition[] {
	const found: Partition[] = [];
	const seen = new Set<number>();
	let table = extended.start;
	for (;;) {
		if (seen.has(table)) {
			problems.push(`the chain of logical partitions turns back to sector ${table}`);
			return found;
		}
		if (seen.size >= logicalTablesMax) {
			problems.push(`there are more than ${logicalTablesMax} logical partitions`);
			return found;
		}
		seen.add(table);
		const sector = readSector(device, table * sectorSize);
		const entries = sector === undefined ? undefined : readMbrEntries(sector);
		if (entries === undefined) {
			problems.push(`there is no table of logical partitions at sector ${table}`);
			return found;
		}
		// The third and fourth entry are unused by all but very old tools.
		for (const entry of entries.slice(0, 2)) {
			if (!isUsed(entry) || isExtended(entry)) continue;
			found.push(mbrPartition(firstNumber + found.length, entry, table, sectorSize));
		}
		const link = entries.find(isExtended);
		if (link === undefined) return found;
		table = extended.start + link.start;
	}
}

function readMbr(
	device: BlockDevice,
	entries: readonly MbrEntry[],
	sectorSize: number,
): PartitionTable {
	const problems: string[] = [];
	const partitions: Partition[] = [];
	let nextLogical = 5;
	for (const [index, entry] of entries.entries()) {
		if (!isUsed(entry)) continue;
		if (!isExtended(entry)) {
			partitions.push(mbrPartition(index + 1, entry, 0, sectorSize));
			continue;
		}
		const logical = readLogical(device, entry, sectorSize, nextLogical, problems);
		nextLogical += logical.length;
		partitions.push(...logical);
	}
	partitions.sort((a, b) => a.number - b.number);
	return {scheme: 'mbr', sectorSize, partitions, problems};
}

// 64-bit numbers are declared in halves: one that no disk can have makes a header invalid here, and
// not the whole image corrupt.
const gpt_header = structure('gpt_header', 92, {
	signature: {at: 0, kind: 'bytes', length: 8},
	revision: {at: 8, kind: 'u32'},
	header_size: {at: 12, kind: 'u32', unit: 'bytes'},
	header_crc32: {at: 16, kind: 'u32'},
	my_lba_lo: {at: 24, kind: 'u32', unit: 'sectors'},
	my_lba_hi: {at: 28, kind: 'u32'},
	alternate_lba_lo: {at: 32, kind: 'u32', unit: 'sectors'},
	alternate_lba_hi: {at: 36, kind: 'u32'},
	entries_lba_lo: {at: 72, kind: 'u32', unit: 'sectors'},
	entries_lba_hi: {at: 76, kind: 'u32'},
	entry_count: {at: 80, kind: 'u32'},
	entry_size: {at: 84, kind: 'u32', unit: 'bytes'},
	entries_crc32: {at: 88, kind: 'u32'},
});
const gptChecksumAt = 16;

const gpt_entry = structure('gpt_entry', 128, {
	type_guid: {at: 0, kind: 'bytes', length: 16},
	first_lba_lo: {at: 32, kind: 'u32', unit: 'sectors'},
	first_lba_hi: {at: 36, kind: 'u32'},
	last_lba_lo: {at: 40, kind: 'u32', unit: 'sectors', about: 'belongs to the partition'},
	last_lba_hi: {at: 44, kind: 'u32'},
	name: {at: 56, kind: 'bytes', length: 72},
});
const gptSignature = 'EFI PART';
// Tools write 128 entries of 128 bytes; the rest is left for whoever has more to say.
const gptEntriesBytesMax = 0x40_0000;
const sectorSizes: readonly number[] = [512, 4096, 2048, 1024];

const wide = (low: number, high: number) => high * 2 ** 32 + low;

function hasGptSignature(device: BlockDevice, position: number): boolean {
	const sector = readSector(device, position);
	if (sector === undefined) return false;
	for (let index = 0; index < gptSignature.length; index++) {
		if (sector.getUint8(index) !== gptSignature.charCodeAt(index)) return false;
	}
	return true;
}

/** First three fields little-endian, the last two as they stand. */
function guidText(bytes: Uint8Array): string {
	const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
	const hex = order.map(at => (bytes[at] ?? 0).toString(16).padStart(2, '0')).join('');
	return [8, 12, 16, 20, 32].map((end, at, ends) => hex.slice(ends[at - 1] ?? 0, end)).join('-');
}

function gptName(bytes: Uint8Array): string {
	const text = new TextDecoder('utf-16le').decode(bytes);
	const end = text.indexOf('\0');
	return end < 0 ? text : text.slice(0, end);
}

function decodeGptEntries(
	entries: DataView,
	entrySize: number,
	sectorSize: number,
	problems: string[],
): Partition[] {
	const found: Partition[] = [];
	for (let at = 0; at + entrySize <= entries.byteLength; at += entrySize) {
		const raw = gpt_entry.at(entries, at);
		if (raw.type_guid.every(byte => byte === 0)) continue;
		const number = at / entrySize + 1;
		const first = wide(raw.first_lba_lo, raw.first_lba_hi);
		const last = wide(raw.last_lba_lo, raw.last_lba_hi);
		if (last < first || !Number.isSafeInteger((last + 1) * sectorSize)) {
			problems.push(`partition ${number} from sector ${first} to ${last} can't be`);
			continue;
		}
		found.push({
			number,
			startBytes: first * sectorSize,
			sizeBytes: (last - first + 1) * sectorSize,
			type: guidText(raw.type_guid),
			name: gptName(raw.name),
		});
	}
	return found;
}

/** The table whose header lies in sector `lba`, or what is wrong with it. */
function readGptAt(
	device: BlockDevice,
	lba: number,
	sectorSize: number,
): PartitionTable | DamagedTable {
	const damaged = (problem: string): DamagedTable => ({scheme: 'damaged', problem});
	if (!hasGptSignature(device, lba * sectorSize)) return damaged('has no GPT signature');
	const sector = new Uint8Array(512);
	device.read(lba * sectorSize, sector);
	const view = new DataView(sector.buffer);
	const raw = gpt_header.at(view, 0);
	if (raw.header_size < gpt_header.sizeBytes || raw.header_size > 512) {
		return damaged(`says that it is ${raw.header_size} bytes long`);
	}
	const summed = sector.slice(0, raw.header_size);
	summed.fill(0, gptChecksumAt, gptChecksumAt + 4);
	if (crc32.buf(summed) >>> 0 !== raw.header_crc32) return damaged('has a wrong checksum');
	if (wide(raw.my_lba_lo, raw.my_lba_hi) !== lba)
		return damaged('lies in another place than it says');
	const {entry_size: entrySize, entry_count: entryCount} = raw;
	if (entrySize < 128 || entrySize > 4096 || entrySize % 128 !== 0) {
		return damaged(`has entries of ${entrySize} bytes`);
	}
	const entriesBytes = entrySize * entryCount;
	const entriesAt = wide(raw.entries_lba_lo, raw.entries_lba_hi) * sectorSize;
	if (entriesBytes > gptEntriesBytesMax || !(entriesAt + entriesBytes <= device.sizeBytes)) {
		return damaged(`has ${entryCount} entries of ${entrySize} bytes at byte ${entriesAt}`);
	}
	const entries = new Uint8Array(entriesBytes);
	device.read(entriesAt, entries);
	if (crc32.buf(entries) >>> 0 !== raw.entries_crc32) {
		return damaged('has entries with a wrong checksum');
	}
	const problems: string[] = [];
	const entriesView = new DataView(entries.buffer);
	const partitions = decodeGptEntries(entriesView, entrySize, sectorSize, problems);
	return {scheme: 'gpt', sectorSize, partitions, problems};
}

/** The sectors in which the backup header may lie, most likely first. */
function backupSectors(
	device: BlockDevice,
	sectorSize: number,
	protective: MbrEntry | undefined,
): number[] {
	const last = Math.floor(device.sizeBytes / sectorSize) - 1;
	// An image copied to a larger disk has its backup where the smaller disk ended.
	const lastProtected = protective === undefined ? -1 : protective.start + protective.length - 1;
	const primary = readSector(device, sectorSize);
	const raw = primary === undefined ? undefined : gpt_header.at(primary, 0);
	const told = raw === undefined ? -1 : wide(raw.alternate_lba_lo, raw.alternate_lba_hi);
	return [...new Set([last, lastProtected, told])].filter(lba => lba > 1 && lba <= last);
}

function readGpt(
	device: BlockDevice,
	protective: MbrEntry | undefined,
): PartitionTable | DamagedTable | undefined {
	let primaryProblem: string | undefined;
	for (const sectorSize of sectorSizes) {
		if (!hasGptSignature(device, sectorSize)) continue;
		const primary = readGptAt(device, 1, sectorSize);
		if (primary.scheme !== 'damaged') return primary;
		primaryProblem ??= primary.problem;
	}
	if (primaryProblem === undefined && protective === undefined) return undefined;
	primaryProblem ??= 'has no GPT signature';
	for (const sectorSize of sectorSizes) {
		for (const lba of backupSectors(device, sectorSize, protective)) {
			const backup = readGptAt(device, lba, sectorSize);
			if (backup.scheme !== 'gpt') continue;
			const problem = `the primary GPT header ${primaryProblem}; the backup at sector ${lba} was used`;
			return {...backup, problems: [problem, ...backup.problems]};
		}
	}
	return {
		scheme: 'damaged',
		problem: `the primary GPT header ${primaryProblem}, and there is no backup header that could be used`,
	};
}

/**
 * The partition table of `device`; undefined where it has none. GPT finds out its sector size; MBR
 * can't say it, and `mbrSectorSize` says it. Throws `DeviceError`.
 */
export function readPartitionTable(
	device: BlockDevice,
	mbrSectorSize = 512,
): PartitionTable | DamagedTable | undefined {
	const sector = readSector(device, 0);
	if (sector === undefined) return undefined;
	const entries = readMbrEntries(sector);
	// A protective entry beside others (a hybrid): what GPT says counts, as it does in the kernel.
	const protective = entries?.find(entry => entry.type === protectiveType);
	if (entries === undefined || protective !== undefined) return readGpt(device, protective);
	return looksLikeTable(entries) ? readMbr(device, entries, mbrSectorSize) : undefined;
}

/**
 * The part of `device` where `partition` lies, cut at the device's end; undefined where it lies
 * beyond the end altogether. The file system in it knows its own size and finds what is missing.
 */
export function windowOf(device: BlockDevice, partition: Partition): Window | undefined {
	if (partition.startBytes >= device.sizeBytes) return undefined;
	const sizeBytes = Math.min(partition.sizeBytes, device.sizeBytes - partition.startBytes);
	return new Window(device, partition.startBytes, sizeBytes);
}
