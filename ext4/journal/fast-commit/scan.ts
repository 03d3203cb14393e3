/**
 * Reads the fast commits behind the log, and decides which of them are whole: a tail ends each,
 * with a checksum over all that it commits. Nothing is applied here.
 */
import {crc32cOf} from '../../checksum.ts';
import {CorruptError, UnsupportedError} from '../../errors.ts';
import {nameLengthMax} from '../../layout/directory.ts';
import {initializedLengthMax} from '../../layout/extent.ts';
import {
	ext4_fc_add_range,
	ext4_fc_del_range,
	ext4_fc_dentry_info,
	ext4_fc_head,
	ext4_fc_inode,
	ext4_fc_tail,
	ext4_fc_tl,
	fastCommitTag,
} from '../../layout/fast-commit.ts';
import {inodeBaseSize} from '../../layout/inode.ts';
import {type JournalFile, readJournalBlock} from '../log.ts';
import type {JournalSuperblock} from '../superblock.ts';

/** One change. Blocks are numbered as in the inode (logical) and on the device (physical). */
export type FastCommitOperation =
	| {
			readonly kind: 'addRange';
			readonly inode: number;
			readonly logical: number;
			readonly length: number;
			readonly physical: number;
			readonly isUnwritten: boolean;
	  }
	| {
			readonly kind: 'deleteRange';
			readonly inode: number;
			readonly logical: number;
			readonly length: number;
	  }
	| {
			readonly kind: 'create' | 'link' | 'unlink';
			readonly parent: number;
			readonly inode: number;
			readonly name: Uint8Array;
	  }
	| {readonly kind: 'inode'; readonly inode: number; readonly bytes: Uint8Array};

export const noFastCommits: FastCommitScan = {commits: 0, operations: []};

export type FastCommitScan = {
	readonly commits: number;
	/** Of the whole commits, in order. */
	readonly operations: readonly FastCommitOperation[];
};

type Tlv = {
	readonly tag: number;
	readonly at: number;
	readonly value: DataView;
	readonly valueBytes: Uint8Array;
};

/** Whether a value of this length can belong to this tag; unknown tags have none. */
function isPossible(tag: number, length: number): boolean {
	const name = length - ext4_fc_dentry_info.sizeBytes;
	switch (tag) {
		case fastCommitTag.addRange:
			return length === ext4_fc_add_range.sizeBytes;
		case fastCommitTag.deleteRange:
			return length === ext4_fc_del_range.sizeBytes;
		case fastCommitTag.create:
		case fastCommitTag.link:
		case fastCommitTag.unlink:
			return name >= 1 && name <= nameLengthMax;
		case fastCommitTag.inode:
			return length >= ext4_fc_inode.sizeBytes + inodeBaseSize;
		case fastCommitTag.pad:
			return true;
		case fastCommitTag.tail:
			return length >= ext4_fc_tail.sizeBytes;
		case fastCommitTag.head:
			return length === ext4_fc_head.sizeBytes;
		default:
			return false;
	}
}

/** The record at `at`; undefined where none can be. */
function readTlv(block: Uint8Array, at: number): Tlv | undefined {
	const raw = ext4_fc_tl.at(new DataView(block.buffer), at);
	const valueAt = at + ext4_fc_tl.sizeBytes;
	const length = raw.fc_len;
	if (valueAt + length > block.length || !isPossible(raw.fc_tag, length)) {
		return undefined;
	}
	const value = new DataView(block.buffer, valueAt, length);
	return {tag: raw.fc_tag, at, value, valueBytes: block.subarray(valueAt, valueAt + length)};
}

/** The change that a record tells of; undefined for those that only frame the others. */
function decode(tlv: Tlv): FastCommitOperation | undefined {
	const {tag, value, valueBytes} = tlv;
	switch (tag) {
		case fastCommitTag.addRange: {
			const raw = ext4_fc_add_range.at(value, 0);
			const isUnwritten = raw.ee_len > initializedLengthMax;
			return {
				kind: 'addRange',
				inode: raw.fc_ino,
				logical: raw.ee_block,
				length: isUnwritten ? raw.ee_len - initializedLengthMax : raw.ee_len,
				physical: raw.ee_start_hi * 2 ** 32 + raw.ee_start_lo,
				isUnwritten,
			};
		}
		case fastCommitTag.deleteRange: {
			const raw = ext4_fc_del_range.at(value, 0);
			return {kind: 'deleteRange', inode: raw.fc_ino, logical: raw.fc_lblk, length: raw.fc_len};
		}
		case fastCommitTag.create:
			return decodeEntry('create', tlv);
		case fastCommitTag.link:
			return decodeEntry('link', tlv);
		case fastCommitTag.unlink:
			return decodeEntry('unlink', tlv);
		case fastCommitTag.inode: {
			const raw = ext4_fc_inode.at(value, 0);
			const bytes = valueBytes.subarray(ext4_fc_inode.sizeBytes);
			return {kind: 'inode', inode: raw.fc_ino, bytes};
		}
		default:
			return undefined;
	}
}

function decodeEntry(kind: 'create' | 'link' | 'unlink', tlv: Tlv): FastCommitOperation {
	const raw = ext4_fc_dentry_info.at(tlv.value, 0);
	const name = tlv.valueBytes.subarray(ext4_fc_dentry_info.sizeBytes);
	return {kind, parent: raw.fc_parent_ino, inode: raw.fc_ino, name};
}

/** Twice what fits into the area for fast commits that the kernel makes unasked. */
const operationsMax = 2 ** 17;

class Scanner {
	readonly #sequence: number;
	#sum = 0;
	#commits = 0;
	readonly #operations: FastCommitOperation[] = [];
	/** How many of the operations belong to whole commits. */
	#wholeOperations = 0;

	constructor(sequence: number) {
		this.#sequence = sequence;
	}

	result(): FastCommitScan {
		return {
			commits: this.#commits,
			operations: this.#operations.slice(0, this.#wholeOperations),
		};
	}

	/** Takes all records of a block; says whether the next block may hold more. */
	takeBlock(block: Uint8Array): boolean {
		let at = 0;
		while (at + ext4_fc_tl.sizeBytes <= block.length) {
			const tlv = readTlv(block, at);
			if (tlv === undefined || !this.#take(block, tlv)) return false;
			at += ext4_fc_tl.sizeBytes + tlv.valueBytes.length;
		}
		return true;
	}

	#take(block: Uint8Array, tlv: Tlv): boolean {
		if (tlv.tag === fastCommitTag.tail) return this.#takeTail(block, tlv);
		if (tlv.tag === fastCommitTag.head && !this.#isHeadOurs(tlv)) return false;
		const end = tlv.at + ext4_fc_tl.sizeBytes + tlv.valueBytes.length;
		this.#sum = crc32cOf(this.#sum, block.subarray(tlv.at, end));
		const operation = decode(tlv);
		if (operation !== undefined) this.#operations.push(operation);
		if (this.#operations.length > operationsMax) {
			throw new CorruptError(
				'EXT4_BAD_JOURNAL',
				`fast commits of more than ${operationsMax} changes`,
			);
		}
		return true;
	}

	/** A head of another transaction is left over from before the last full commit. */
	#isHeadOurs(tlv: Tlv): boolean {
		const raw = ext4_fc_head.at(tlv.value, 0);
		if (raw.fc_tid !== this.#sequence) return false;
		if (raw.fc_features !== 0) {
			const name = `fast commit FEATURE_${31 - Math.clz32(raw.fc_features & -raw.fc_features)}`;
			throw new UnsupportedError(
				'EXT4_UNSUPPORTED_FEATURE',
				name,
				`the journal's fast commits use ${name}, which ext4box does not read`,
			);
		}
		return true;
	}

	#takeTail(block: Uint8Array, tlv: Tlv): boolean {
		const raw = ext4_fc_tail.at(tlv.value, 0);
		const end = tlv.at + ext4_fc_tl.sizeBytes + ext4_fc_tail.fields.fc_crc.at;
		const sum = crc32cOf(this.#sum, block.subarray(tlv.at, end));
		if (raw.fc_tid !== this.#sequence || raw.fc_crc !== sum) return false;
		this.#sum = 0;
		this.#commits++;
		this.#wholeOperations = this.#operations.length;
		return true;
	}
}

/**
 * The fast commits that follow the log's last whole transaction; `sequence` is the number of the
 * next one. A commit that did not reach the disk whole ends them: nobody was told that it had. (The
 * kernel agrees, unless it is the first one: then it refuses to mount.)
 *
 * Throws `UnsupportedError` for a feature of fast commits, `CorruptError` where the journal's file
 * has no such block, `DeviceError`.
 */
export function scanFastCommits(
	file: JournalFile,
	journal: JournalSuperblock,
	sequence: number,
): FastCommitScan {
	const scanner = new Scanner(sequence);
	const first = journal.fastCommitFirstBlock;
	if (first === undefined) return scanner.result();
	for (let at = first; at < journal.lengthBlocks; at++) {
		const block = readJournalBlock(file, at);
		// The first commit begins with a head; without one there is none at all.
		if (
			at === first &&
			ext4_fc_tl.at(new DataView(block.buffer), 0).fc_tag !== fastCommitTag.head
		) {
			break;
		}
		if (!scanner.takeBlock(block)) break;
	}
	return scanner.result();
}
