/**
 * One operation's part in the running transaction. All changes of metadata go through a handle: it
 * remembers how things were, so that an operation that fails on its way leaves nothing behind, and
 * hands what was changed to the transaction when the operation succeeds.
 *
 * What may be changed, and how:
 * - a block of a file's metadata: `touch` it, then write to its bytes; one that was just allocated:
 *   `create`; one that is being freed: `forget`; one that lies where mke2fs has put it: `touchFixed`.
 *   Where the block carries a checksum of its own, the `seal` given along makes it right when the
 *   transaction commits.
 * - an inode's fields and the 60 bytes of its map: `edit`. They are written to the inode table, with
 *   its checksum, when the handle finishes. What follows the fields in the inode (attributes) is
 *   changed by `touchFixed` of the block that `Volume.locateInode` gives.
 * - a group's counts and flags: `editGroup`; the superblock's: `editSuperblock`. They are written
 *   when the transaction commits.
 * - anything else kept in memory: `onRollback` takes what undoes it.
 *
 * After a rollback inodes that were edited are read anew: an `Inode` read before must not be used
 * on. So an operation reads what it needs inside the function that it gives to `Volume.transact`.
 */
import {allocatorOf} from '../allocator/state.ts';
import type {CachedBlock, Seal} from '../block-cache.ts';
import {assert, BudgetError, CorruptError} from '../errors.ts';
import type {Feature} from '../layout/features.ts';
import type {Group, MutableGroup} from '../layout/group.ts';
import type {Inode, MutableInode, Timestamp} from '../layout/inode.ts';
import type {MutableSuperblock} from '../superblock.ts';
import type {Volume} from '../volume.ts';
import type {Transaction} from './transactions.ts';

/**
 * Thrown by an allocator that finds room only in what the running transaction has freed: that may
 * be used again once the transaction is committed; and for an operation that does not fit into the
 * running transaction. `Volume.transact` then commits and tries anew.
 */
export class RetryAfterCommit extends Error {
	override readonly name = 'RetryAfterCommit';
}

export type HandleOptions = {
	/** Blocks kept for root may be taken, and the limits of quotas passed over. */
	readonly mayUseReserved: boolean;
};

/**
 * Blocks that one handle may change. What can be large is done in parts, of 200 blocks at most; a
 * damaged image may make any operation large, and all of its blocks are kept twice.
 */
const savedBlocksMax = 1024;

/** Copies of blocks, used again by the next handle. */
const spareCopies: Uint8Array[] = [];
const spareCopiesMax = 64;

function copyOf(bytes: Uint8Array): Uint8Array {
	const spare = spareCopies.pop();
	if (spare?.length !== bytes.length) return bytes.slice();
	spare.set(bytes);
	return spare;
}

/** Freed blocks that a block of the log names, where those are the fewest: of 1 KiB, in 64 bits. */
const revokesPerLogBlock = 125;

/** Blocks of the log that the naming of so many freed blocks takes at most. */
export function logBlocksOfRevokes(count: number): number {
	return Math.ceil(count / revokesPerLogBlock);
}

/** The bitmap said that the block was free, and yet it holds something that is being changed. */
function inUse(block: number): never {
	throw new CorruptError('EXT4_BLOCK_IN_USE', 'a block that is in use is marked as free', {block});
}

type SavedBlock = {
	readonly block: CachedBlock;
	readonly bytes: Uint8Array;
	readonly checkedAs: string | object | undefined;
	readonly seal: Seal | undefined;
	readonly wasRunning: boolean;
};

export class Handle {
	readonly volume: Volume;
	readonly mayUseReserved: boolean;
	readonly #transaction: Transaction;
	readonly #saved: SavedBlock[] = [];
	#forgotten = 0;
	readonly #inodes = new Map<number, MutableInode>();
	readonly #groups = new Map<number, {group: Group; before: Group}>();
	readonly #undo: (() => void)[] = [];
	readonly #afterCommit: (() => void)[] = [];
	readonly #clock: () => Timestamp;
	#now: Timestamp | undefined;

	constructor(
		volume: Volume,
		transaction: Transaction,
		clock: () => Timestamp,
		options: HandleOptions,
	) {
		this.volume = volume;
		this.mayUseReserved = options.mayUseReserved;
		this.#transaction = transaction;
		this.#clock = clock;
	}

	/** The time of the operation; the same whenever asked. */
	get now(): Timestamp {
		this.#now ??= this.#clock();
		return this.#now;
	}

	/** Blocks of the log that the changes of this handle take so far. */
	get touchedBlocks(): number {
		return this.#saved.length + logBlocksOfRevokes(this.#forgotten);
	}

	/** Nothing that a commit would write was changed so far. */
	get isEmpty(): boolean {
		return (
			this.touchedBlocks === 0 &&
			this.#inodes.size === 0 &&
			this.#groups.size === 0 &&
			this.#superblockBefore === undefined
		);
	}

	/**
	 * Gives leave to change `block`, metadata of some file, from now to the handle's end. Throws
	 * `CorruptError` where it is the file system's own: a damaged map may lead to any block.
	 */
	touch(block: CachedBlock, seal?: Seal): void {
		if (block.savedBy !== this) {
			this.#assertOfFile(block.number);
			this.#save(block);
		}
		if (seal !== undefined) block.seal = seal;
	}

	/** As `touch`, for what is the file system's own: superblocks, bitmaps, inode tables. */
	touchFixed(block: CachedBlock, seal?: Seal): void {
		if (block.savedBy !== this) this.#save(block);
		if (seal !== undefined) block.seal = seal;
	}

	/** A block of zeros for metadata that was just allocated at `number`. */
	create(number: number, seal?: Seal): CachedBlock {
		const {cache} = this.volume;
		const replaced = cache.peek(number);
		if (replaced?.isRunning === true) inUse(number);
		if (replaced?.isLogged === true) this.#transaction.logged.delete(number);
		const block = cache.create(number);
		this.onRollback(() => {
			cache.drop(number);
			this.#transaction.blocks.delete(number);
			if (replaced === undefined) return;
			cache.restore(replaced);
			if (replaced.isLogged) this.#transaction.logged.set(number, replaced);
		});
		this.touchFixed(block, seal);
		return block;
	}

	/**
	 * The block of metadata at `number` is being freed: what the log has of it is revoked, and it
	 * is not written to its place any more. Freeing it in the bitmap is the allocator's matter.
	 */
	forget(number: number): void {
		const {cache} = this.volume;
		const {blocks, logged, revoked} = this.#transaction;
		const block = cache.peek(number);
		const wasRevoked = revoked.has(number);
		revoked.add(number);
		this.#forgotten++;
		const wasRunning = blocks.delete(number);
		const wasLogged = logged.delete(number);
		cache.drop(number);
		if (block !== undefined) block.isRunning = block.isLogged = false;
		this.onRollback(() => {
			if (!wasRevoked) revoked.delete(number);
			if (block === undefined) return;
			cache.restore(block);
			block.isRunning = wasRunning;
			block.isLogged = wasLogged;
			if (wasRunning) blocks.set(number, block);
			if (wasLogged) logged.set(number, block);
		});
	}

	/** Gives leave to change `inode`, from now to the handle's end. Returns the same object. */
	edit(inode: Inode): MutableInode {
		if (!this.#inodes.has(inode.number)) {
			const current = this.volume.readReservedInode(inode.number);
			assert(current === inode, 'an inode is edited that was read before it changed');
			this.#inodes.set(inode.number, inode);
		}
		return inode;
	}

	/** The inode of that number, where this handle edits it. */
	edited(number: number): Inode | undefined {
		return this.#inodes.get(number);
	}

	/** Makes a new inode in a slot of the inode table that was free; all of it starts as zeros. */
	addInode(inode: MutableInode): MutableInode {
		const {volume} = this;
		const {block, at} = volume.locateInode(inode.number);
		this.touchFixed(block);
		block.bytes.fill(0, at, at + volume.geometry.inodeSize);
		volume.keepInode(inode);
		this.#inodes.set(inode.number, inode);
		return inode;
	}

	/** Gives leave to change counts and flags of a group. */
	editGroup(index: number): MutableGroup {
		const known = this.#groups.get(index);
		if (known !== undefined) return known.group;
		const group = this.volume.editGroup(index);
		this.#groups.set(index, {group, before: {...group}});
		return group;
	}

	/** Gives leave to change what the superblock says of counts, orphans and features. */
	editSuperblock(): MutableSuperblock {
		const {superblock} = this.volume;
		if (this.#superblockBefore === undefined) this.#superblockBefore = {...superblock};
		return superblock;
	}
	#superblockBefore: MutableSuperblock | undefined;

	/** Turns a feature on, as the first file that needs it does. */
	addFeature(feature: Feature): void {
		const superblock = this.editSuperblock();
		if (!superblock.features.has(feature)) superblock.features = superblock.features.with(feature);
	}

	/** `undo` is called if the handle is rolled back; the last one given first. */
	onRollback(undo: () => void): void {
		const position = this.#saved.length;
		this.#undo.push(() => {
			this.#restoreSaved(position);
			undo();
		});
	}

	/** `action` is called once what this handle did is on the medium; never after a rollback. */
	afterCommit(action: () => void): void {
		this.#afterCommit.push(action);
	}

	/** The operation has come to its end. Throws as `Volume.writeInode`: then `rollBack`. */
	writeInodes(): void {
		for (const inode of this.#inodes.values()) {
			const {block} = this.volume.locateInode(inode.number);
			this.touchFixed(block);
			this.volume.writeInode(inode);
		}
	}

	/** All of it belongs to the transaction; it can't be rolled back any more. */
	finish(): void {
		for (const saved of this.#saved) {
			saved.block.savedBy = undefined;
			if (spareCopies.length < spareCopiesMax) spareCopies.push(saved.bytes);
		}
		for (const action of this.#afterCommit) this.#transaction.afterCommit.push(action);
	}

	/** The operation failed: all is as it was before it. */
	rollBack(): void {
		for (const undo of this.#undo.reverse()) undo();
		this.#restoreSaved(0);
		for (const number of this.#inodes.keys()) this.volume.dropInode(number);
		for (const {group, before} of this.#groups.values()) Object.assign(group, before);
		if (this.#superblockBefore !== undefined) {
			Object.assign(this.volume.superblock, this.#superblockBefore);
		}
	}

	#assertOfFile(block: number): void {
		if (!allocatorOf(this.volume).zones.overlaps(block, block + 1)) return;
		throw new CorruptError(
			'EXT4_BLOCK_IN_USE',
			"a file's metadata lies in a block that is the file system's own",
			{block},
		);
	}

	#save(block: CachedBlock): void {
		const {cache} = this.volume;
		if (this.#saved.length >= savedBlocksMax) {
			throw new BudgetError(`an operation that changes more than ${savedBlocksMax} blocks`);
		}
		const current = cache.peek(block.number);
		// Evicted since it was read; nobody else has read it again.
		if (current === undefined) cache.restore(block);
		else if (current.isNew && current.savedBy === this) inUse(block.number);
		else assert(current === block, 'a block is changed that was read before it was read again');
		this.#saved.push({
			block,
			bytes: copyOf(block.bytes),
			checkedAs: block.checkedAs,
			seal: block.seal,
			wasRunning: block.isRunning,
		});
		block.savedBy = this;
		block.isRunning = true;
		this.#transaction.blocks.set(block.number, block);
	}

	/** Takes back the blocks saved from `position` on. */
	#restoreSaved(position: number): void {
		while (this.#saved.length > position) {
			const saved = this.#saved.pop();
			if (saved === undefined) return;
			const {block} = saved;
			block.bytes.set(saved.bytes);
			block.checkedAs = saved.checkedAs;
			block.seal = saved.seal;
			block.isRunning = saved.wasRunning;
			block.savedBy = undefined;
			if (!saved.wasRunning) this.#transaction.blocks.delete(block.number);
			if (spareCopies.length < spareCopiesMax) spareCopies.push(saved.bytes);
		}
	}
}
