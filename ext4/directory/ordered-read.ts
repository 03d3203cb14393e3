/**
 * Listing a directory in the order of hashes, as the kernel does. A leaf that is split sends half of
 * its entries to another block, but each keeps its place in this order: what is neither added nor
 * removed between two parts of a listing is listed once. The same holds when a directory of one
 * block gets an index, or an inline one a block.
 *
 * A cursor is made of the hash: 31 bits of the major one, by which the tree is ordered, then 22 of
 * the minor one, or of the name's checksum where the hash has no minor part; behind `.` stands 1,
 * behind `..` 2, which is added to all others. Entries that share all 53 bits, which is to be
 * expected once among 100 million, take the numbers that follow.
 */
import type {CachedBlock} from '../block-cache.ts';
import {crc32cOf} from '../checksum.ts';
import {CorruptError} from '../errors.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import {directoryBlockCount, directoryRun, idleBlocksMax, readEntriesBlock} from './blocks.ts';
import {type EntryRules, entryNameLength, isDotName, nameAt, recordLengthAt} from './entries.ts';
import type {NameHash} from './hash.ts';
import {LeafWalk, openTree, readLeaf} from './hash-tree.ts';
import {readInlineDirectory} from './inline.ts';
import {type EntryHasher, entryHasher, hashVersionOf} from './name-hash.ts';
import {dots, type Listing, typeAt} from './visitor.ts';

const behindDot = 1;
const behindDotDot = 2;
const minorBits = 22;
const minorRange = 2 ** minorBits;
/** Behind the greatest major hash. */
const hashesEnd = 2 ** 32;

/** The first cursor of a major hash. */
function cursorOfHash(major: number): number {
	return (major >>> 1) * minorRange + behindDotDot;
}

function endCursorOf(upperBound: number | undefined): number {
	return upperBound === undefined
		? (hashesEnd / 2) * minorRange + behindDotDot
		: cursorOfHash(upperBound);
}

/** The major hash that a cursor belongs to. */
function hashOfCursor(cursor: number): number {
	const half = Math.floor(Math.max(cursor - behindDotDot, 0) / minorRange);
	return Math.min(half, hashesEnd / 2 - 1) * 2;
}

/** Entries in order: where they lie in their block, and the cursors that they stand at. */
type Order = {
	readonly places: Uint16Array;
	readonly cursors: Float64Array;
	/** What the cursors depend on besides the block. */
	readonly from: number;
	readonly to: number;
};

/** The orders of blocks that have not changed since; `forgetOrder`. */
const orders = new WeakMap<CachedBlock, Order>();

/** The block is being changed. */
export function forgetOrder(block: CachedBlock): void {
	orders.delete(block);
}

type HashedListing = Listing & {readonly hashOf: EntryHasher};

/**
 * Visits the entries from `cursor` on; false where the directory has no such order. Throws
 * `CorruptError`, `DeviceError`.
 */
export function forEachEntryInOrder(asked: Listing): boolean {
	const {volume, directory, rules} = asked;
	const version = hashVersionOf(volume, directory, rules);
	if (version === undefined) return false;
	const listing = {...asked, hashOf: entryHasher(volume, rules, version)};
	if ((directory.flags & inodeFlags.inlineData) !== 0) listInline(listing);
	else if (!rules.isIndexed) listBlock(listing);
	else return listTree(listing);
	return true;
}

function listInline(listing: HashedListing): void {
	const {volume, directory, rules, cursor, visit} = listing;
	const {parent, stretches} = readInlineDirectory(volume, directory, rules);
	const type = rules.hasTypes ? 'directory' : undefined;
	if (cursor < behindDot && !visit(dots, 0, 1, directory.number, type, behindDot)) return;
	if (cursor < behindDotDot && !visit(dots, 0, 2, parent, type, behindDotDot)) return;
	const [first] = stretches;
	if (first === undefined) return;
	const places = stretches.flatMap(({view, start, end}) => placesIn(view, start, end, rules));
	const order = orderOf(listing, first, places, 0, endCursorOf(undefined));
	visitInOrder(listing, first, order);
}

function listBlock(listing: HashedListing): void {
	const block = firstBlock(listing);
	if (!visitDots(listing, block)) return;
	visitInOrder(listing, block, orderOfBlock(listing, block, 0, endCursorOf(undefined)));
}

function firstBlock({volume, directory, rules}: HashedListing): CachedBlock {
	const run = directoryBlockCount(volume, directory) > 0 && directoryRun(volume, directory, 0);
	if (run === false || run.kind === 'hole') {
		throw new CorruptError('EXT4_BAD_DIRECTORY', 'a directory without its first block', {
			inode: directory.number,
		});
	}
	return readEntriesBlock(volume, directory, rules, run, 0);
}

/** `.` and `..` of the first block; false where the visitor wants no more. */
function visitDots(listing: HashedListing, {bytes, view}: CachedBlock): boolean {
	const {rules, cursor} = listing;
	for (const length of [behindDot, behindDotDot]) {
		if (cursor >= length) continue;
		const at = placesIn(view, 0, bytes.length, rules, 2).find(
			place => entryNameLength(bytes, place) === length && isDotAt(bytes, place),
		);
		if (at !== undefined && !visitAt(listing, bytes, view, at, length)) return false;
	}
	return true;
}

function isDotAt(bytes: Uint8Array, at: number): boolean {
	return isDotName(bytes, at + nameAt, entryNameLength(bytes, at));
}

function visitAt(
	{rules, visit, show}: HashedListing,
	bytes: Uint8Array,
	view: DataView,
	at: number,
	next: number,
): boolean {
	if (show !== undefined) return show(bytes, view, at, next);
	const length = entryNameLength(bytes, at);
	const inode = view.getUint32(at, true);
	return visit(bytes, at + nameAt, length, inode, typeAt(bytes, at, rules), next);
}

/** Leaves of a tree that can be told apart by their hashes only as one: names of a hash lie in all. */
type LeafGroup = {
	readonly leaves: readonly CachedBlock[];
	readonly from: number;
	readonly to: number;
};

/**
 * Bytes of leaves that may hold names of one hash: of 2^31 hashes two or three names share one by chance.
 * Each entry, of which there may be 87,000 then, costs some 90 bytes of V8's heap while they are put in order.
 */
const groupBytesMax = 2 ** 20;

function listTree(listing: HashedListing): boolean {
	const {volume, directory, rules, cursor} = listing;
	const root = openTree(volume, directory, rules);
	const start = hashOfCursor(cursor);
	const walk = root && LeafWalk.start(volume, directory, rules, root, start);
	if (walk === undefined) return false;
	if (!visitDots(listing, firstBlock(listing))) return true;
	for (let idle = 0; ; idle++) {
		const group = readGroup(listing, walk);
		const [first] = group.leaves;
		if (first === undefined) return true;
		const visited =
			group.leaves.length === 1
				? visitInOrder(listing, first, orderOfBlock(listing, first, group.from, group.to))
				: visitMerged(listing, group);
		if (visited === stopped) return true;
		if (visited > 0) idle = 0;
		if (idle > idleBlocksMax(rules.blockSize)) fail(directory, 'leaves without an entry in a row');
		if (walk.upperBound === undefined) return true;
		walk.advance();
	}
}

function fail(directory: Inode, problem: string): never {
	throw new CorruptError('EXT4_BAD_HASH_TREE', `an index with ${problem}`, {
		inode: directory.number,
	});
}

/** The leaf that the walk has come to, and those that go on with its last hash. */
function readGroup({volume, directory, rules}: HashedListing, walk: LeafWalk): LeafGroup {
	const from = cursorOfHash(walk.lowerBound);
	const leaves = [readLeaf(volume, directory, rules, walk.leaf)];
	for (let bound = walk.upperBound; bound !== undefined; bound = walk.upperBound) {
		const to = cursorOfHash(bound);
		const isContinued = (bound & 1) !== 0;
		if (isContinued ? to < from : to <= from) fail(directory, 'hashes that do not ascend');
		if (!isContinued) return {leaves, from, to};
		if (leaves.length * rules.blockSize >= groupBytesMax) {
			fail(directory, `${leaves.length} leaves for one hash`);
		}
		walk.advance();
		leaves.push(readLeaf(volume, directory, rules, walk.leaf));
	}
	return {leaves, from, to: endCursorOf(undefined)};
}

/** Where the entries in use of a checked stretch begin, at most `max`. */
function placesIn(
	view: DataView,
	start: number,
	end: number,
	rules: EntryRules,
	max = Number.POSITIVE_INFINITY,
): number[] {
	const places: number[] = [];
	for (let at = start; at < end && places.length < max; ) {
		if (view.getUint32(at, true) !== 0) places.push(at);
		at += recordLengthAt(view, at, rules.blockSize);
	}
	return places;
}

function orderOfBlock(listing: HashedListing, block: CachedBlock, from: number, to: number): Order {
	const known = orders.get(block);
	if (known?.from === from && known.to === to) return known;
	const {bytes, view} = block;
	const places = placesIn(view, 0, bytes.length, listing.rules).filter(at => !isDotAt(bytes, at));
	const order = orderOf(listing, block, places, from, to);
	// In the middle of an operation the block may yet be rolled back to what it was.
	if (listing.volume.transactions?.handle === undefined) orders.set(block, order);
	return order;
}

/** The cursor of an entry, were it alone; inside the bounds of its leaf, wherever it belongs. */
function cursorAt(
	{hashOf}: HashedListing,
	bytes: Uint8Array,
	view: DataView,
	at: number,
	from: number,
	to: number,
): number {
	const hash = hashOf(bytes, view, at);
	const cursor = cursorOfHash(hash.major) + minorPart(hash, bytes, at);
	return Math.min(Math.max(cursor, from), to - 1);
}

function minorPart({minor}: NameHash, bytes: Uint8Array, at: number): number {
	if (minor !== 0) return minor >>> (32 - minorBits);
	const start = at + nameAt;
	const sum = crc32cOf(0, bytes.subarray(start, start + entryNameLength(bytes, at)));
	return sum >>> (32 - minorBits);
}

function orderOf(
	listing: HashedListing,
	{bytes, view}: {readonly bytes: Uint8Array; readonly view: DataView},
	places: readonly number[],
	from: number,
	to: number,
): Order {
	const entries = places
		.map(at => ({at, cursor: cursorAt(listing, bytes, view, at, from, to)}))
		.sort((a, b) => a.cursor - b.cursor);
	const cursors = new Float64Array(entries.length);
	let last = -1;
	entries.forEach(({cursor}, index) => {
		last = Math.min(Math.max(cursor, last + 1), to - 1);
		cursors[index] = last;
	});
	return {places: Uint16Array.from(entries, ({at}) => at), cursors, from, to};
}

const stopped = -1;

/** Visits what stands at the listing's cursor or behind it; returns how many, or `stopped`. */
function visitInOrder(
	listing: HashedListing,
	{bytes, view}: {readonly bytes: Uint8Array; readonly view: DataView},
	{places, cursors}: Order,
): number {
	let index = 0;
	while (index < cursors.length && (cursors[index] ?? 0) < listing.cursor) index++;
	const first = index;
	for (; index < places.length; index++) {
		const next = (cursors[index] ?? 0) + 1;
		if (!visitAt(listing, bytes, view, places[index] ?? 0, next)) return stopped;
	}
	return index - first;
}

/** As `visitInOrder`, for the leaves of a group together. */
function visitMerged(listing: HashedListing, {leaves, from, to}: LeafGroup): number {
	const {rules, cursor} = listing;
	const entries = leaves
		.flatMap(({bytes, view}) =>
			placesIn(view, 0, bytes.length, rules).map(at => ({
				bytes,
				view,
				at,
				cursor: cursorAt(listing, bytes, view, at, from, to),
			})),
		)
		.sort((a, b) => a.cursor - b.cursor);
	let last = -1;
	let visited = 0;
	for (const entry of entries) {
		last = Math.min(Math.max(entry.cursor, last + 1), to - 1);
		if (last < cursor) continue;
		if (!visitAt(listing, entry.bytes, entry.view, entry.at, last + 1)) return stopped;
		visited++;
	}
	return visited;
}
