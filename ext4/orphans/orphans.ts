/**
 * Orphans: inodes that must be tended to after a crash. One without a name, which may be open yet,
 * is freed then; one with names, from which blocks are being taken, is cut off at its size.
 *
 * They stand in the orphan file, where the image has one with room left, else in a list: the
 * superblock has the first, and each has the next in place of its time of deletion. Kernel
 * documentation, "Super Block", s_last_orphan, and "Orphan file".
 *
 * The list leads one way only, so what precedes each inode is kept in memory; nothing else would
 * find it but a walk through all of them.
 */
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {OrphanFile, type OrphanSlot} from './orphan-file.ts';

type Listed = {
	readonly kind: 'listed';
	readonly number: number;
	previous: Listed | undefined;
	next: Listed | undefined;
};

type Slotted = {readonly kind: 'slotted'; readonly slot: OrphanSlot};

/** The orphans of a volume that are known of. */
class Orphans {
	readonly places = new Map<number, Listed | Slotted>();
	/** The first of the list, as far as it is known of. */
	head: Listed | undefined;
	/** Undefined where the image has none. */
	readonly file: OrphanFile | undefined;

	constructor(volume: Volume) {
		this.file = OrphanFile.open(volume);
	}
}

const orphansOf = new WeakMap<Volume, Orphans>();

function openOrphans(volume: Volume): Orphans {
	const known = orphansOf.get(volume);
	if (known !== undefined) return known;
	const orphans = new Orphans(volume);
	orphansOf.set(volume, orphans);
	return orphans;
}

/** The image's orphan file, where it has one. Throws `CorruptError`, `DeviceError`. */
export function orphanFileOf(volume: Volume): OrphanFile | undefined {
	return openOrphans(volume).file;
}

/** Whether any inode is an orphan: then the file system is not to be marked as free of them. */
export function hasOrphans(volume: Volume): boolean {
	return (orphansOf.get(volume)?.places.size ?? 0) > 0;
}

/** Nothing is known of any orphan any more, wherever it stands. */
export function forgetKnownOrphans(volume: Volume): void {
	const orphans = orphansOf.get(volume);
	if (orphans === undefined) return;
	orphans.places.clear();
	orphans.head = undefined;
}

/** The numbers of all orphans that are known of, as a copy. */
export function knownOrphans(volume: Volume): number[] {
	return [...(orphansOf.get(volume)?.places.keys() ?? [])];
}

export function isOrphan(volume: Volume, number: number): boolean {
	return orphansOf.get(volume)?.places.has(number) ?? false;
}

function remember(handle: Handle, orphans: Orphans, number: number, place: Listed | Slotted): void {
	orphans.places.set(number, place);
	handle.onRollback(() => orphans.places.delete(number));
}

function forget(handle: Handle, orphans: Orphans, number: number, place: Listed | Slotted): void {
	orphans.places.delete(number);
	handle.onRollback(() => orphans.places.set(number, place));
}

/** Puts `node` at the head of what is known of the list. */
function linkFirst(handle: Handle, orphans: Orphans, node: Listed): void {
	const next = orphans.head;
	node.next = next;
	if (next !== undefined) next.previous = node;
	orphans.head = node;
	handle.onRollback(() => {
		orphans.head = next;
		if (next !== undefined) next.previous = undefined;
	});
}

function unlinkNode(handle: Handle, orphans: Orphans, node: Listed): void {
	const {previous, next} = node;
	if (previous === undefined) orphans.head = next;
	else previous.next = next;
	if (next !== undefined) next.previous = previous;
	handle.onRollback(() => {
		if (previous === undefined) orphans.head = node;
		else previous.next = node;
		if (next !== undefined) next.previous = node;
	});
}

/**
 * Makes `inode` an orphan, unless it is one: it has lost its last name, or is about to lose blocks in
 * more than one handle. Throws `CorruptError`, `DeviceError`.
 */
export function addOrphan(handle: Handle, inode: Inode): void {
	const orphans = openOrphans(handle.volume);
	const {number} = inode;
	if (orphans.places.has(number)) return;
	const slot = orphans.file?.take(handle, number);
	if (slot !== undefined) {
		remember(handle, orphans, number, {kind: 'slotted', slot});
		return;
	}
	const superblock = handle.editSuperblock();
	handle.edit(inode).deletionTime = superblock.lastOrphan;
	superblock.lastOrphan = number;
	adoptListed(handle, orphans, number);
}

function adoptListed(handle: Handle, orphans: Orphans, number: number): void {
	const node: Listed = {kind: 'listed', number, previous: undefined, next: undefined};
	linkFirst(handle, orphans, node);
	remember(handle, orphans, number, node);
}

/** What a crash has left at the head of the list becomes known of. */
export function adoptFirst(handle: Handle): void {
	const {volume} = handle;
	adoptListed(handle, openOrphans(volume), volume.superblock.lastOrphan);
}

/** What a crash has left in the orphan file becomes known of. */
export function adoptSlot(handle: Handle, number: number, slot: OrphanSlot): void {
	remember(handle, openOrphans(handle.volume), number, {kind: 'slotted', slot});
}

/**
 * `inode` is no orphan any more: it got a name, or is about to be freed, or has lost all blocks that
 * it should. Nothing where it is none. Throws `CorruptError`, `DeviceError`.
 */
export function removeOrphan(handle: Handle, inode: Inode): void {
	const {volume} = handle;
	const orphans = openOrphans(volume);
	const place = orphans.places.get(inode.number);
	if (place === undefined) return;
	forget(handle, orphans, inode.number, place);
	if (place.kind === 'slotted') {
		orphans.file?.release(handle, place.slot);
		return;
	}
	const edited = handle.edit(inode);
	const next = inode.deletionTime;
	edited.deletionTime = 0;
	if (place.previous === undefined) handle.editSuperblock().lastOrphan = next;
	else {
		const previous = volume.readReservedInode(place.previous.number);
		handle.edit(previous).deletionTime = next;
	}
	unlinkNode(handle, orphans, place);
}
