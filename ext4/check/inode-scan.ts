/**
 * Looks at every inode of a range of groups: reads their tables in large pieces, in order, and
 * judges each inode with what it leads to. What takes further reads (trees with nodes, block maps
 * with pointers, targets of symlinks) is put aside and looked at in the order of the disk.
 */
import {inodeFlags, reservedInode} from '../layout/inode.ts';
import type {Harvest} from './harvest.ts';
import {InodeAttributes} from './inode-attributes.ts';
import {checkInodeChecksum} from './inode-checksum.ts';
import {fileType, InodeContext, octal} from './inode-context.ts';
import {factFlags, typeUnknown} from './inode-facts.ts';
import {
	checkCasefold,
	checkDeletionTime,
	checkFormFlags,
	checkHashIndex,
	checkSpecial,
	hasBadFields,
} from './inode-fields.ts';
import {InodeMapping} from './inode-mapping.ts';
import {release} from './number-list.ts';
import {checkReservedInode} from './reserved-inodes.ts';
import {type CheckState, groupProblem} from './state.ts';
import {Symlinks} from './symlinks.ts';

const chunkBytes = 1 << 20;

/** What a directory entry calls each type; index is the upper four bits of the mode. */
const entryCodes = [0, 5, 3, 0, 2, 0, 4, 0, 1, 0, 7, 0, 6, 0, 0, 0] as const;

export class InodeScan {
	readonly #state: CheckState;
	readonly #context: InodeContext;
	readonly #attributes: InodeAttributes;
	readonly #mapping: InodeMapping;
	readonly #symlinks: Symlinks;

	constructor(state: CheckState) {
		this.#state = state;
		this.#context = new InodeContext(state);
		this.#attributes = new InodeAttributes(this.#context);
		this.#mapping = new InodeMapping(this.#context, this.#attributes);
		this.#symlinks = new Symlinks(this.#context, this.#attributes);
	}

	/** Scans groups from `from` up to, not including, `to`; yields after every chunk. */
	*run(from: number, to: number): Generator<number> {
		const state = this.#state;
		const {blockSize, inodeSize, inodesPerGroup} = state.geometry;
		const chunk = new Uint8Array(Math.max(chunkBytes, blockSize));
		const words = new Int32Array(chunk.buffer);
		this.#context.inode.view = new DataView(chunk.buffer);
		for (let group = from; group < to; group++) {
			const {count} = state.inodes.slotsOfGroup(group);
			if (count === 0 || ((state.groupProblems[group] ?? 0) & groupProblem.inodeTable) !== 0)
				continue;
			const table = state.group(group).inodeTable;
			const bytes = count * inodeSize;
			for (let done = 0; done < bytes; done += chunk.length) {
				const wanted = Math.min(chunk.length, bytes - done);
				const whole = Math.ceil(wanted / blockSize) * blockSize;
				state.readBlocks(table + done / blockSize, chunk.subarray(0, whole));
				const first = group * inodesPerGroup + done / inodeSize + 1;
				this.#scanChunk(words, first, wanted / inodeSize);
				yield wanted / inodeSize;
			}
		}
		release(chunk);
		this.#mapping.finishAside();
		this.#symlinks.finishAside();
	}

	finish(): Harvest {
		return this.#context.harvest.finish();
	}

	#scanChunk(words: Int32Array, first: number, count: number): void {
		const {inode, hasChecksums} = this.#context;
		const {inodeSize} = this.#state.geometry;
		let slot = this.#state.inodes.slotOf(first);
		for (let index = 0; index < count; index++, slot++) {
			inode.number = first + index;
			inode.at = index * inodeSize;
			if (hasChecksums) checkInodeChecksum(this.#context, words);
			this.#judge(slot);
		}
	}

	#judge(slot: number): void {
		const {inode} = this.#context;
		const {number} = inode;
		const {inodes} = this.#state;
		const links = inode.linkCount;
		inodes.linkCounts[slot] = links;
		if (this.#context.isReserved()) {
			this.#judgeReserved(slot);
			return;
		}
		if (links === 0 && number !== reservedInode.root) {
			if (this.#state.orphans.has(number)) {
				inodes.flags[slot] = (inodes.flags[slot] ?? 0) | factFlags.orphan;
			} else {
				if (inode.deletionTime !== 0) checkDeletionTime(this.#context);
				else if (inode.mode !== 0) this.#context.tell('CHECK_INODE_DELETED_WITHOUT_TIME');
				return;
			}
		} else if (inode.deletionTime !== 0 && !this.#state.orphans.has(number)) {
			this.#context.tell('CHECK_INODE_USED_WITH_DELETION_TIME', {found: inode.deletionTime});
		}
		this.#judgeUsed(slot, entryCodes[inode.mode >>> 12] ?? 0);
	}

	#judgeReserved(slot: number): void {
		const {inodes} = this.#state;
		// All of them count as in use, whether or not anything is in them.
		inodes.types[slot] = entryCodes[this.#context.inode.mode >>> 12] || typeUnknown;
		inodes.flags[slot] = factFlags.reserved;
		checkCasefold(this.#context);
		if (!checkReservedInode(this.#context)) return;
		this.#attributes.checkExtraSpace();
		checkFormFlags(this.#context);
		this.#mapping.check(0);
	}

	#judgeUsed(slot: number, code: number): void {
		const {inode, harvest} = this.#context;
		const {inodes} = this.#state;
		const {number, mode, type, flags} = inode;
		harvest.totals.files++;
		inodes.types[slot] = code === 0 ? typeUnknown : code;
		let facts = inodes.flags[slot] ?? 0;
		if ((flags & inodeFlags.eaInode) !== 0) facts |= factFlags.valueHolder;
		if ((flags & inodeFlags.encrypted) !== 0) facts |= factFlags.encrypted;
		if ((flags & inodeFlags.casefold) !== 0) facts |= factFlags.casefold;
		if ((flags & inodeFlags.hashIndexed) !== 0) facts |= factFlags.hashIndexed;
		if ((flags & inodeFlags.inlineData) !== 0) facts |= factFlags.inlineData;
		if (number === reservedInode.root && type !== fileType.directory) {
			this.#context.tell('CHECK_ROOT_NOT_DIRECTORY', {found: octal(mode)});
		}
		if (hasBadFields(this.#context)) facts |= factFlags.hasBadFields;
		if (code === 0) {
			facts |= factFlags.hasBadFields;
			this.#context.tell('CHECK_INODE_MODE', {found: octal(mode)});
		}
		if ((flags & inodeFlags.afsMagic) !== 0 && !this.#state.features.has('imagic_inodes')) {
			this.#context.tell('CHECK_AFS_WITHOUT_FEATURE');
		}
		inodes.flags[slot] = facts;
		if ((flags & inodeFlags.eaInode) !== 0) this.#attributes.keepHolder();
		if (!checkFormFlags(this.#context)) return;
		const heldClusters = this.#attributes.checkExtraSpace();
		if ((flags & inodeFlags.encrypted) !== 0) this.#attributes.keepPolicy();
		this.#judgeType(heldClusters);
	}

	#judgeType(heldClusters: number): void {
		const context = this.#context;
		const {totals} = context.harvest;
		switch (context.inode.type) {
			case fileType.directory:
				totals.directories++;
				break;
			case fileType.file:
				totals.regularFiles++;
				break;
			case fileType.symlink: {
				totals.symlinks++;
				const place = this.#symlinks.check();
				if (place === 'inode') this.#mapping.checkWithout(heldClusters);
				if (place !== 'blocks') return;
				break;
			}
			case fileType.character:
				totals.characterDevices++;
				checkSpecial(context, 'CHECK_CHARACTER_DEVICE');
				break;
			case fileType.block:
				totals.blockDevices++;
				checkSpecial(context, 'CHECK_BLOCK_DEVICE');
				break;
			case fileType.fifo:
				totals.fifos++;
				checkSpecial(context, 'CHECK_FIFO');
				break;
			case fileType.socket:
				totals.sockets++;
				checkSpecial(context, 'CHECK_SOCKET');
				break;
			default:
				break;
		}
		checkHashIndex(context);
		checkCasefold(context);
		this.#mapping.check(heldClusters);
	}
}
