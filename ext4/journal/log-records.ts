/**
 * The blocks of the log that speak of others: descriptor, revoke and commit blocks. Kernel
 * documentation, "Journal (jbd2)".
 */
import {
	commit_header,
	encodeRevokes,
	encodeTags,
	type JournalTag,
	journal_header,
	journalBlockType,
	journalMagic,
	journalTailSize,
	revokesPerBlock,
	tagsPerBlock,
} from '../layout/journal.ts';
import {commitBlockChecksum, loggedBlockChecksum, tailedBlockChecksum} from './checksum.ts';
import type {JournalSuperblock} from './superblock.ts';
import type {PlacedBlock} from './write-home.ts';

type Time = {readonly seconds: number; readonly nanoseconds: number};

/** Makes the records of one transaction. */
export class LogRecords {
	readonly #journal: JournalSuperblock;
	readonly #blockSize: number;
	readonly #sequence: number;

	constructor(journal: JournalSuperblock, blockSize: number, sequence: number) {
		this.#journal = journal;
		this.#blockSize = blockSize;
		this.#sequence = sequence;
	}

	/** Appends to `into` the blocks that revoke `revoked`. */
	revoke(revoked: readonly number[], into: Uint8Array[]): void {
		const {features} = this.#journal;
		const max = revokesPerBlock(this.#blockSize, features);
		for (let from = 0; from < revoked.length; from += max) {
			const view = this.#begin(journalBlockType.revoke);
			encodeRevokes(view, revoked.slice(from, from + max), features);
			this.#seal(view);
			into.push(new Uint8Array(view.buffer));
		}
	}

	/** Appends to `into` the blocks that log `blocks`: after each descriptor what it describes. */
	describe(blocks: readonly PlacedBlock[], into: Uint8Array[]): void {
		const {features, uuid} = this.#journal;
		const max = tagsPerBlock(this.#blockSize, features);
		for (let from = 0; from < blocks.length; from += max) {
			const view = this.#begin(journalBlockType.descriptor);
			into.push(new Uint8Array(view.buffer));
			const tags = blocks.slice(from, from + max).map(block => this.#log(block, into));
			encodeTags(view, tags, uuid, features);
			this.#seal(view);
		}
	}

	/** The block that makes the transaction whole. */
	commit(time: Time): Uint8Array {
		const view = this.#begin(journalBlockType.commit);
		const raw = commit_header.edit(view, 0);
		const seconds = Math.max(0, time.seconds);
		raw.h_commit_sec_high = Math.floor(seconds / 2 ** 32);
		raw.h_commit_sec_low = seconds % 2 ** 32;
		raw.h_commit_nsec = time.nanoseconds;
		const bytes = new Uint8Array(view.buffer);
		const {hasBlockChecksums, checksumSeed} = this.#journal;
		// A journal with the older checksum over whole transactions takes a commit without one.
		if (hasBlockChecksums) raw.h_chksum = commitBlockChecksum(checksumSeed, bytes);
		return bytes;
	}

	#begin(type: number): DataView {
		const view = new DataView(new ArrayBuffer(this.#blockSize));
		const header = journal_header.edit(view, 0);
		header.h_magic = journalMagic;
		header.h_blocktype = type;
		header.h_sequence = this.#sequence;
		return view;
	}

	/** Puts the checksum at the end of a descriptor or revoke block, if the journal has any. */
	#seal(view: DataView): void {
		const {hasBlockChecksums, checksumSeed} = this.#journal;
		if (!hasBlockChecksums) return;
		const sum = tailedBlockChecksum(checksumSeed, new Uint8Array(view.buffer));
		view.setUint32(view.byteLength - journalTailSize, sum, false);
	}

	/** Appends the log's copy of a block; a copy must not look like a record. */
	#log(block: PlacedBlock, into: Uint8Array[]): JournalTag {
		let {bytes} = block;
		const {buffer, byteOffset} = bytes;
		const isEscaped = new DataView(buffer, byteOffset).getUint32(0, false) === journalMagic;
		if (isEscaped) {
			bytes = bytes.slice();
			bytes.fill(0, 0, 4);
		}
		into.push(bytes);
		const {hasBlockChecksums, checksumSeed} = this.#journal;
		const checksum = hasBlockChecksums
			? loggedBlockChecksum(checksumSeed, this.#sequence, bytes)
			: 0;
		return {block: block.number, isEscaped, checksum};
	}
}
