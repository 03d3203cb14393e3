/**
 * Finds what there is to check: a superblock that can be believed, the table of group descriptors
 * that goes with it, and the journal's replay, in memory. Where the first superblock or its
 * descriptors are beyond use, a copy of them takes their place, as with e2fsck.
 */
import type {BlockDevice} from '../device.ts';
import {CorruptError, DeviceError, UnsupportedError} from '../errors.ts';
import {firstBlockOfGroup, groupChecksum, hasGroupChecksums, hasSuperblockCopy} from '../groups.ts';
import {replayOperations} from '../journal/fast-commit/replay.ts';
import {OverlayDevice} from '../journal/overlay-device.ts';
import {journalFileOf, journalInodeOf} from '../journal/recover.ts';
import {type RecoveryResult, replayJournal} from '../journal/recovery.ts';
import {extentMagic} from '../layout/extent.ts';
import {Features, writableRoCompat} from '../layout/features.ts';
import {decodeGroup, type Group} from '../layout/group.ts';
import {decodeInode, ext4_inode, type Inode, inodeFlags} from '../layout/inode.ts';
import {ext4_super_block} from '../layout/superblock.ts';
import {readSuperblock, type Superblock} from '../superblock.ts';
import {Volume} from '../volume.ts';
import type {FindingCode} from './codes.ts';
import {type FindingPlace, type FindingValues, hex} from './finding.ts';
import {release} from './number-list.ts';
import {groupProblem} from './state.ts';

type EarlyFinding = {
	readonly code: FindingCode;
	readonly place: FindingPlace;
	readonly values: FindingValues;
};

export type Opened = {
	readonly kind: 'opened';
	readonly device: BlockDevice;
	readonly superblock: Superblock;
	/** The group whose copies of superblock and descriptors are used; 0 for the first. */
	readonly copyFrom: number;
	readonly descriptors: SharedArrayBuffer;
	readonly groupProblems: SharedArrayBuffer;
	readonly recovery: RecoveryResult | undefined;
	/** What was found on the way. */
	readonly findings: readonly EarlyFinding[];
};

export type NotOpened = {
	readonly kind: 'unusable' | 'refused';
	readonly reason: string;
	readonly advice: string | undefined;
	readonly findings: readonly EarlyFinding[];
};

/** Groups whose copies are tried; e2fsck looks at the first of these alone. */
const copiesTried = [1, 3, 5, 7, 9];
const transferBytes = 1 << 20;

/** A copy of the superblock: which group it belongs to, and in which block it lies. */
type Copy = {readonly superblock: Superblock; readonly group: number; readonly block: number};

function tryCopy(device: BlockDevice, position: number, blockSize: number): Superblock | undefined {
	try {
		const superblock = readSuperblock(device, position);
		return superblock.geometry.blockSize === blockSize ? superblock : undefined;
	} catch (error) {
		if (error instanceof CorruptError || error instanceof UnsupportedError) return undefined;
		if (error instanceof DeviceError) return undefined;
		throw error;
	}
}

/** A whole copy where the first superblock tells nothing: at the usual places, for each block size. */
function findCopy(device: BlockDevice): Copy | undefined {
	for (let blockSize = 1024; blockSize <= 65536; blockSize *= 2) {
		const firstDataBlock = blockSize === 1024 ? 1 : 0;
		for (const group of copiesTried) {
			const block = firstDataBlock + group * blockSize * 8;
			const superblock = tryCopy(device, block * blockSize, blockSize);
			if (superblock !== undefined) return {superblock, group, block};
		}
	}
	return undefined;
}

/** A whole copy where the first superblock says where copies are. */
function findCopyOf(device: BlockDevice, first: Superblock): Copy | undefined {
	const {groupCount, blockSize} = first.geometry;
	for (const group of [...copiesTried, ...first.backupGroups]) {
		if (group === 0 || group >= groupCount || !hasSuperblockCopy(first, group)) continue;
		const block = firstBlockOfGroup(first, group);
		const superblock = tryCopy(device, block * blockSize, blockSize);
		if (superblock !== undefined) return {superblock, group, block};
	}
	return undefined;
}

/** The block of the table's block `index` in the copy that belongs to `copyFrom`. */
function descriptorBlockIn(superblock: Superblock, copyFrom: number, index: number): number {
	const {blockSize, firstDataBlock, descriptorsPerBlock, groupCount} = superblock.geometry;
	if (index < superblock.firstMetaGroup) {
		const start =
			copyFrom === 0 ? Math.floor(1024 / blockSize) : firstBlockOfGroup(superblock, copyFrom);
		return start + 1 + index;
	}
	const meta = index * descriptorsPerBlock;
	// Copies of a meta group's descriptors lie in its second and in its last group.
	const group = copyFrom !== 0 && meta + 1 < groupCount ? meta + 1 : meta;
	const bootBlocks = blockSize === 1024 && group === 0 && firstDataBlock === 0 ? 1 : 0;
	const copies = hasSuperblockCopy(superblock, group) ? 1 : 0;
	return firstBlockOfGroup(superblock, group) + copies + bootBlocks;
}

/** Reads the whole table; blocks that the device does not give are zeros. */
function readDescriptors(
	device: BlockDevice,
	superblock: Superblock,
	copyFrom: number,
): SharedArrayBuffer {
	const {groupCount, descriptorsPerBlock, blockSize, descriptorSize} = superblock.geometry;
	const blockCount = Math.ceil(groupCount / descriptorsPerBlock);
	const shared = new SharedArrayBuffer(groupCount * descriptorSize);
	const table = new Uint8Array(shared);
	for (let index = 0; index < blockCount; ) {
		const block = descriptorBlockIn(superblock, copyFrom, index);
		let count = 1;
		while (
			index + count < blockCount &&
			(count + 1) * blockSize <= transferBytes &&
			descriptorBlockIn(superblock, copyFrom, index + count) === block + count
		) {
			count++;
		}
		const bytes = new Uint8Array(count * blockSize);
		try {
			device.read(block * blockSize, bytes);
		} catch (error) {
			if (!(error instanceof DeviceError)) throw error;
			bytes.fill(0); // What zeros describe lies nowhere; that is told below.
		}
		const at = index * blockSize;
		table.set(bytes.subarray(0, Math.min(bytes.length, table.length - at)), at);
		release(bytes);
		index += count;
	}
	return shared;
}

function isPlacedIn(superblock: Superblock, group: Group, start: number, length: number): boolean {
	const {geometry, features} = superblock;
	let first = geometry.firstDataBlock;
	let end = geometry.blockCount;
	if (!features.has('flex_bg')) {
		first = firstBlockOfGroup(superblock, group.index);
		end = Math.min(end, first + geometry.blocksPerGroup);
	}
	// The first block is the superblock's; nothing else can lie there.
	return start >= Math.max(first, geometry.firstDataBlock + 1) && start + length <= end;
}

export type DescriptorProblems = {
	readonly bits: SharedArrayBuffer;
	readonly findings: readonly EarlyFinding[];
	/** Groups whose bitmaps or tables lie nowhere. */
	readonly misplacedCount: number;
};

/** Findings about single groups that are told; a table that is gone makes one for each. */
const groupFindingsMax = 10_000;

function judgeDescriptors(
	superblock: Superblock,
	descriptors: SharedArrayBuffer,
): DescriptorProblems {
	const {groupCount, descriptorSize, inodeTableBlocks, inodesPerGroup} = superblock.geometry;
	const {features} = superblock;
	const bits = new SharedArrayBuffer(groupCount);
	const problems = new Uint8Array(bits);
	const table = new Uint8Array(descriptors);
	const view = new DataView(descriptors);
	const hasChecksums = hasGroupChecksums(features);
	const findings: EarlyFinding[] = [];
	const tell = (code: FindingCode, place: FindingPlace, values: FindingValues) => {
		if (findings.length < groupFindingsMax) findings.push({code, place, values});
	};
	let misplacedCount = 0;
	for (let index = 0; index < groupCount; index++) {
		const at = index * descriptorSize;
		const group = decodeGroup(index, view, at, descriptorSize >= 64);
		let bad = 0;
		if (hasChecksums) {
			const expected = groupChecksum(superblock, index, table.slice(at, at + descriptorSize));
			if (group.checksum !== expected) {
				bad |= groupProblem.checksum;
				tell(
					'CHECK_GROUP_CHECKSUM',
					{group: index},
					{found: hex(group.checksum), expected: hex(expected)},
				);
			}
		}
		const places = [
			['CHECK_BLOCK_BITMAP_PLACE', group.blockBitmap, 1, groupProblem.blockBitmap],
			['CHECK_INODE_BITMAP_PLACE', group.inodeBitmap, 1, groupProblem.inodeBitmap],
			['CHECK_INODE_TABLE_PLACE', group.inodeTable, inodeTableBlocks, groupProblem.inodeTable],
		] as const;
		for (const [code, start, length, bit] of places) {
			if (isPlacedIn(superblock, group, start, length)) continue;
			bad |= bit;
			tell(code, {group: index, block: start}, {found: start});
		}
		if ((bad & ~groupProblem.checksum) !== 0) misplacedCount++;
		if (group.unusedInodeCount > inodesPerGroup) bad |= groupProblem.checksum;
		problems[index] = bad;
	}
	return {bits, findings, misplacedCount};
}

/** What a file system can have that changes what is right; bits that are not known may do so, too. */
const checkableRoCompat: readonly string[] = [...writableRoCompat, 'read_only', 'shared_blocks'];
const revisionMax = 1;

/** Compatible features leave all else as it is, but for who checks: each has something of its own. */
const checkableCompat: readonly string[] = [
	...['dir_prealloc', 'imagic_inodes', 'has_journal', 'ext_attr', 'resize_inode', 'dir_index'],
	...['sparse_super2', 'fast_commit', 'stable_inodes', 'orphan_file'],
];

/** Why a file system is not for us to check, though it can be read. */
function refusalOf({features, revision}: Superblock): string | undefined {
	if (revision > revisionMax) return `revision ${revision} of the format is not known`;
	const readable = new Features(0, features.incompat, 0).names();
	const checkable = [...readable, ...checkableCompat, ...checkableRoCompat];
	const unknown = features.names().filter(name => !checkable.includes(name));
	if (unknown.length === 0) return undefined;
	return `the image uses ${unknown.join(', ')}, which can not be checked`;
}

/** Bytes of tables that are taken; what 64 TiB need with blocks of 4 KiB. */
const tableBytesMax = 2 ** 33;

/** Why the file system is too large to check, as a superblock that is made up may say it is. */
function excessOf({geometry}: Superblock): string | undefined {
	const clusters = geometry.blockCount / 2 ** geometry.clusterBits;
	// Six bytes for an inode, should all of them have been used.
	const bytes =
		clusters / 4 + geometry.groupCount * geometry.descriptorSize + geometry.inodeCount * 6;
	if (bytes <= tableBytesMax) return undefined;
	const gibibytes = Math.ceil(bytes / 2 ** 30);
	return `to check ${geometry.blockCount} blocks and ${geometry.inodeCount} inodes may take ${gibibytes} GiB of memory`;
}

/** Whether a journal on another device is named by a file system that can't have one. */
function namesStrayJournal({features, journalInode, view}: Superblock): boolean {
	const {s_journal_uuid} = ext4_super_block.at(view, 0);
	const isNamed = s_journal_uuid.some(byte => byte !== 0);
	return isNamed && (journalInode !== 0 || !features.has('has_journal'));
}

/** Opens what lies on `device` without regard to its journal. */
function openAsItLies(device: BlockDevice): Opened | NotOpened {
	const findings: EarlyFinding[] = [];
	let copy: Copy | undefined;
	let superblock: Superblock;
	try {
		superblock = readSuperblock(device);
	} catch (error) {
		if (error instanceof UnsupportedError) {
			return {kind: 'refused', reason: error.message, advice: undefined, findings};
		}
		if (!(error instanceof CorruptError || error instanceof DeviceError)) throw error;
		copy = findCopy(device);
		if (copy === undefined) {
			return {kind: 'unusable', reason: error.message, advice: undefined, findings};
		}
		findings.push({
			code: 'CHECK_SUPERBLOCK_BAD',
			place: {block: copy.superblock.geometry.firstDataBlock},
			values: {found: error.message, copy: copy.block},
		});
		superblock = copy.superblock;
	}
	const refusal = refusalOf(superblock);
	if (refusal !== undefined) return {kind: 'refused', reason: refusal, advice: undefined, findings};
	const excess = excessOf(superblock);
	if (excess !== undefined) return {kind: 'unusable', reason: excess, advice: undefined, findings};
	if (namesStrayJournal(superblock)) {
		findings.push({code: 'CHECK_JOURNAL_STRAY', place: {}, values: {}});
	}
	let descriptors = readDescriptors(device, superblock, copy?.group ?? 0);
	let problems = judgeDescriptors(superblock, descriptors);
	if (problems.misplacedCount > 0 && copy === undefined) {
		copy = findCopyOf(device, superblock);
		if (copy === undefined) {
			const tables = problems.findings.find(({code}) => code === 'CHECK_INODE_TABLE_PLACE');
			if (tables !== undefined) {
				return {
					kind: 'unusable',
					reason: `the inode table of group ${tables.place.group} lies nowhere, and no copy of the group descriptors was found`,
					advice: undefined,
					findings: [...findings, ...problems.findings],
				};
			}
		} else {
			findings.push({
				code: 'CHECK_GROUP_DESCRIPTORS_BAD',
				place: {group: problems.findings[0]?.place.group},
				values: {found: problems.misplacedCount, copy: copy.block},
			});
			superblock = copy.superblock;
			descriptors = readDescriptors(device, superblock, copy.group);
			problems = judgeDescriptors(superblock, descriptors);
		}
	}
	const {blockCount, blockSize} = superblock.geometry;
	if (blockCount * blockSize > device.sizeBytes) {
		findings.push({
			code: 'CHECK_DEVICE_TOO_SHORT',
			place: {},
			values: {found: device.sizeBytes, expected: blockCount * blockSize},
		});
	}
	return {
		kind: 'opened',
		device,
		superblock,
		copyFrom: copy?.group ?? 0,
		descriptors,
		groupProblems: problems.bits,
		recovery: undefined,
		findings: [...findings, ...problems.findings],
	};
}

/** The superblock's copy of the journal's i_block and i_size, as an inode; undefined for none. */
function journalInodeCopied(volume: Volume): Inode | undefined {
	const raw = ext4_super_block.at(volume.superblock.view, 0);
	if (raw.s_jnl_backup_type !== 1) return undefined;
	const copy = raw.s_jnl_blocks;
	const words = new DataView(copy.buffer, copy.byteOffset);
	const bytes = new Uint8Array(256);
	const view = new DataView(bytes.buffer);
	const inode = ext4_inode.edit(view, 0);
	inode.i_mode = 0o100600;
	inode.i_links_count = 1;
	inode.i_block = copy.subarray(0, 60);
	inode.i_size_high = words.getUint32(60, true);
	inode.i_size_lo = words.getUint32(64, true);
	if (view.getUint16(0x28, true) === extentMagic) inode.i_flags = inodeFlags.extents;
	const {geometry, journalInode} = volume.superblock;
	const generation = 0;
	return decodeInode(journalInode, view, 0, volume.inodeChecksumSeed(journalInode, generation), {
		inodeSize: 128,
		blockSize: geometry.blockSize,
		isHurd: false,
		hasHugeFile: false,
		hasLargeDirectory: false,
		has64bit: false,
	});
}

/** The journal's inode, or, where it is damaged, the superblock's copy of it. Throws `CorruptError`. */
function journalInodeIn(volume: Volume): Inode {
	try {
		return journalInodeOf(volume);
	} catch (error) {
		const copied = error instanceof CorruptError ? journalInodeCopied(volume) : undefined;
		if (copied === undefined) throw error;
		return copied;
	}
}

type Replay = {readonly device: BlockDevice; readonly recovery: RecoveryResult};

/** The device as it is after a replay; or why it can't be had, in a sentence. */
function replay(device: BlockDevice): Replay | string {
	try {
		const volume = Volume.openAsItLies(device, {});
		const recovery = replayJournal(journalFileOf(volume, journalInodeIn(volume)));
		const overlaid = new OverlayDevice(device, recovery.overlay);
		const {operations} = recovery.fastCommits;
		if (operations.length > 0) {
			replayOperations(Volume.openAsItLies(overlaid, {}), operations, recovery.overlay);
		}
		return {device: overlaid, recovery};
	} catch (error) {
		if (
			error instanceof CorruptError ||
			error instanceof UnsupportedError ||
			error instanceof DeviceError
		) {
			return error.message;
		}
		throw error;
	}
}

/** Opens `device` for checking, its journal replayed in memory; throws for faults of our own only. */
export function openForCheck(device: BlockDevice): Opened | NotOpened {
	const opened = openAsItLies(device);
	if (opened.kind !== 'opened') return opened;
	const {features} = opened.superblock;
	if (opened.copyFrom !== 0 || !features.has('has_journal') || !features.has('needs_recovery')) {
		return opened;
	}
	const replayed = replay(device);
	if (typeof replayed === 'string') {
		const finding = {code: 'CHECK_JOURNAL_REPLAY', place: {}, values: {found: replayed}} as const;
		return {...opened, findings: [...opened.findings, finding]};
	}
	const after = openAsItLies(replayed.device);
	const damage = replayed.recovery.damage;
	const findings = [...after.findings];
	// What the journal would mend: e2fsck stops before that.
	const before = opened.findings.find(({code}) => code === 'CHECK_JOURNAL_STRAY');
	if (before !== undefined && !findings.some(({code}) => code === before.code))
		findings.push(before);
	if (damage !== undefined) {
		findings.unshift({code: 'CHECK_JOURNAL_DAMAGED', place: {}, values: {found: damage.message}});
	}
	return after.kind === 'opened'
		? {...after, recovery: replayed.recovery, findings}
		: {...after, findings};
}
