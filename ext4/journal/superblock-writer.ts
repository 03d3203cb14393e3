/** The journal's superblock, written. Kernel documentation, "Journal (jbd2)". */
import {crc32cOf, crc32cOfZeros} from '../checksum.ts';
import type {BlockDevice} from '../device.ts';
import type {Features} from '../layout/features.ts';
import {
	journal_superblock,
	journalBlockType,
	journalChecksumType,
	journalCompatFeatures,
	journalIncompatFeatures,
	journalSuperblockChecksumAt,
} from '../layout/journal.ts';
import type {Volume} from '../volume.ts';
import {JournalPlaces} from './journal-places.ts';
import {journalFileOf} from './recover.ts';
import {
	fastCommitBlocksOf,
	type JournalSuperblock,
	logBlocksMin,
	readJournalSuperblock,
} from './superblock.ts';

export class JournalSuperblockWriter {
	readonly #device: BlockDevice;
	readonly #blockSize: number;
	/** Where it lies, in bytes. */
	readonly #position: number;
	/** Blocks of the journal's file. */
	readonly #lengthBlocks: number;
	readonly #bytes = new Uint8Array(journal_superblock.sizeBytes);
	readonly #raw = journal_superblock.edit(new DataView(this.#bytes.buffer), 0);
	#journal: JournalSuperblock;

	/** Throws as `readJournalSuperblock`, and `CorruptError` where the volume's journal is no file. */
	constructor(volume: Volume) {
		this.#device = volume.device;
		this.#blockSize = volume.geometry.blockSize;
		this.#position = JournalPlaces.of(volume, 1).locate(0).physical * this.#blockSize;
		this.#lengthBlocks = journalFileOf(volume).lengthBlocks;
		this.#device.read(this.#position, this.#bytes);
		this.#journal = this.#decode();
	}

	/** As it was read, with its features as they are now. */
	get journal(): JournalSuperblock {
		return this.#journal;
	}

	/** Nothing is to be replayed. */
	get isEmpty(): boolean {
		return this.#raw.s_start === 0;
	}

	/**
	 * Turns features on and off as the kernel does when it mounts a file system with these. The log
	 * must be empty: it is read by them. Throws `CorruptError` where the log has no room.
	 */
	adoptFeatures(features: Features): void {
		const raw = this.#raw;
		if (this.#journal.version === 1) this.#convertFromVersion1();
		const {revoke, csum_v3, fast_commit} = journalIncompatFeatures;
		let incompat = raw.s_feature_incompat & (revoke | journalIncompatFeatures['64bit']);
		if (features.has('64bit')) incompat |= journalIncompatFeatures['64bit'];
		if (features.has('metadata_csum')) {
			incompat |= csum_v3;
			raw.s_checksum_type = journalChecksumType.crc32c;
		}
		// We write none, but the kernel will want their blocks as it left them.
		const fastCommitBlocks = fastCommitBlocksOf(raw.s_num_fc_blks);
		const hasRoom = raw.s_maxlen - fastCommitBlocks >= logBlocksMin;
		if (features.has('fast_commit') && hasRoom) incompat |= fast_commit;
		raw.s_feature_compat &= ~journalCompatFeatures.checksum;
		raw.s_feature_incompat = incompat;
		this.#seal();
		this.#journal = this.#decode();
	}

	/** Says that revoke blocks may be met. Returns false where it said so before. */
	addRevoke(): boolean {
		if (this.#journal.features.hasRevoke) return false;
		this.#raw.s_feature_incompat |= journalIncompatFeatures.revoke;
		this.#seal();
		this.#journal = this.#decode();
		return true;
	}

	/** The oldest transaction that may have to be replayed, and the block of the log it begins at. */
	setTail(sequence: number, startBlock: number): void {
		this.#raw.s_sequence = sequence;
		this.#raw.s_start = startBlock;
	}

	/**
	 * Writes that nothing is to be replayed, and that the next transaction will be `sequence`. As the
	 * kernel, without the feature that programs without fast commits would refuse the journal for.
	 * Does not flush. Throws `DeviceError`.
	 */
	writeEmpty(sequence: number, headBlock: number): void {
		this.setTail(sequence, 0);
		if (this.#journal.version === 1) {
			this.write();
			return;
		}
		const raw = this.#raw;
		const incompat = raw.s_feature_incompat;
		raw.s_head = headBlock;
		raw.s_feature_incompat = incompat & ~journalIncompatFeatures.fast_commit;
		this.write();
		raw.s_feature_incompat = incompat;
	}

	/** Writes that the kernel's reason for giving the journal up is dealt with. Does not flush. */
	writeNoError(): void {
		this.#raw.s_errno = 0;
		this.write();
	}

	/** Does not flush. Throws `DeviceError`. */
	write(): void {
		this.#seal();
		this.#device.write(this.#position, this.#bytes);
	}

	#decode(): JournalSuperblock {
		return readJournalSuperblock(this.#bytes, this.#blockSize, this.#lengthBlocks);
	}

	/** Version 1 ends before the features; what follows is whatever was there. */
	#convertFromVersion1(): void {
		this.#bytes.fill(0, journal_superblock.fields.s_feature_compat.at);
		this.#raw.h_blocktype = journalBlockType.superblockV2;
		this.#raw.s_nr_users = 1;
	}

	#seal(): void {
		const {csum_v2, csum_v3} = journalIncompatFeatures;
		const incompat =
			this.#raw.h_blocktype === journalBlockType.superblockV2 ? this.#raw.s_feature_incompat : 0;
		if ((incompat & (csum_v2 | csum_v3)) === 0) return;
		const at = journalSuperblockChecksumAt;
		const before = crc32cOf(0xffff_ffff, this.#bytes.subarray(0, at));
		this.#raw.s_checksum = crc32cOf(crc32cOfZeros(before, 4), this.#bytes.subarray(at + 4));
	}
}
