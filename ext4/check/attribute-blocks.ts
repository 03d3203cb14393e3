/** Blocks of attributes: each is looked at once, in the order of the disk, whoever shares it. */
import {crc32cOf, crc32cOfU32, crc32cOfZeros} from '../checksum.ts';
import {inodeFlags} from '../layout/inode.ts';
import {ext4_xattr_header, xattrChecksumAt, xattrMagic} from '../layout/xattr.ts';
import {hashHeldEntry} from '../xattr/hash.ts';
import {type AttributeArea, checkAttributes, type HeldValue} from './attributes.ts';
import {checkBlockCount} from './block-count.ts';
import {policies, policyIn} from './encryption-policy.ts';
import {hex} from './finding.ts';
import {addUsage, type Harvest, xattrBlockWidth} from './harvest.ts';
import {NumberList} from './number-list.ts';
import type {CheckState} from './state.ts';

/** As `InodeFacts.types` has it. */
const typeSymlink = 7;
/** Blocks between two yields. */
const blocksPerStep = 512;

/** Who uses a block of attributes, in rows of `xattrBlockWidth`. */
type Users = {readonly rows: Float64Array; readonly order: Uint32Array};

function gatherUsers(harvests: readonly Harvest[]): Users {
	let length = 0;
	for (const {xattrBlocks} of harvests) length += xattrBlocks.length;
	const rows = new Float64Array(length);
	let at = 0;
	for (const {xattrBlocks} of harvests) {
		rows.set(xattrBlocks, at);
		at += xattrBlocks.length;
	}
	const width = xattrBlockWidth;
	const order = Uint32Array.from({length: length / width}, (_, index) => index * width).sort(
		(a, b) => (rows[a] ?? 0) - (rows[b] ?? 0) || (rows[a + 1] ?? 0) - (rows[b + 1] ?? 0),
	);
	return {rows, order};
}

/** Checks them all; gives back the values that lie in inodes, in rows of `heldValueWidth`. */
export function* checkAttributeBlocks(
	state: CheckState,
	harvests: readonly Harvest[],
): Generator<void, Float64Array> {
	const {rows, order} = gatherUsers(harvests);
	const held = new NumberList();
	const bytes = new Uint8Array(state.geometry.blockSize);
	let steps = 0;
	for (let index = 0; index < order.length; ) {
		const block = rows[order[index] ?? 0] ?? 0;
		let end = index + 1;
		while (end < order.length && rows[order[end] ?? 0] === block) end++;
		const users = order.subarray(index, end);
		state.claims.claim(block, 1);
		checkBlock(state, block, bytes, rows, users, held);
		index = end;
		if (++steps % blocksPerStep === 0) yield;
	}
	return held.view();
}

function checkBlock(
	state: CheckState,
	block: number,
	bytes: Uint8Array,
	rows: Float64Array,
	users: Uint32Array,
	held: NumberList,
): void {
	if (!state.readBlocks(block, bytes)) return;
	const inode = rows[(users[0] ?? 0) + 1] ?? 0;
	const place = {inode, block};
	const view = new DataView(bytes.buffer);
	const header = ext4_xattr_header.at(view, 0);
	if (header.h_magic !== xattrMagic || header.h_blocks !== 1) {
		state.report('CHECK_ATTRIBUTE_BLOCK', place, {
			found: hex(header.h_magic),
			expected: hex(xattrMagic),
		});
		return;
	}
	if (state.features.has('metadata_csum')) {
		const expected = checksumOf(state, block, bytes);
		if (header.h_checksum !== expected) {
			state.report('CHECK_ATTRIBUTE_BLOCK_CHECKSUM', place, {
				found: hex(header.h_checksum),
				expected: hex(expected),
			});
		}
	}
	const values: HeldValue[] = [];
	const area: AttributeArea = {
		view,
		entriesAt: 32,
		valuesFrom: 0,
		end: bytes.length,
		needsHash: true,
		needsOffsets: false,
	};
	const problem = checkAttributes(area, [], value => values.push(value));
	if (problem !== undefined) {
		const {code, offset, ...found} = problem;
		state.report(code, {...place, offset}, found);
	}
	if (
		header.h_refcount !== users.length &&
		header.h_refcount !== countWithoutInline(state, rows, users)
	) {
		state.report('CHECK_ATTRIBUTE_BLOCK_REFERENCES', place, {
			found: header.h_refcount,
			expected: users.length,
		});
	}
	if (state.policies.length > 0) findPolicies(state, rows, users, area);
	if (state.features.has('ea_inode')) chargeUsers(state, rows, users, values);
	for (const value of values) keepValue(held, rows, users, value, block);
}

/**
 * Users that e2fsck counts: it never looks at the attributes of symbolic links that keep their target
 * in themselves, and leaves a count behind that does without them.
 */
function countWithoutInline(state: CheckState, rows: Float64Array, users: Uint32Array): number {
	let count = 0;
	for (const at of users) {
		const isInline = ((rows[at + 4] ?? 0) & inodeFlags.inlineData) !== 0;
		if (!isInline || state.inodes.typeOf(rows[at + 1] ?? 0) !== typeSymlink) count++;
	}
	return count;
}

/** For those of its users that are encrypted and do not say in themselves how. */
function findPolicies(
	state: CheckState,
	rows: Float64Array,
	users: Uint32Array,
	area: AttributeArea,
): void {
	const policy = policyIn(area);
	for (const at of users) {
		const slot = state.inodes.slotOf(rows[at + 1] ?? 0);
		const isEncrypted = ((rows[at + 4] ?? 0) & inodeFlags.encrypted) !== 0;
		if (isEncrypted && state.policies[slot] === policies.none) state.policies[slot] = policy;
	}
}

function checksumOf(state: CheckState, block: number, bytes: Uint8Array): number {
	const low = crc32cOfU32(state.superblock.checksumSeed, block % 2 ** 32);
	const numbered = crc32cOfU32(low, Math.floor(block / 2 ** 32));
	const before = crc32cOf(numbered, bytes.subarray(0, xattrChecksumAt));
	return crc32cOf(crc32cOfZeros(before, 4), bytes.subarray(xattrChecksumAt + 4));
}

/** The space of values that lie in inodes counts as that of each inode that uses the block. */
function chargeUsers(
	state: CheckState,
	rows: Float64Array,
	users: Uint32Array,
	values: readonly HeldValue[],
): void {
	const {clusterSize} = state.geometry;
	let clusters = 0;
	for (const {sizeBytes} of values) clusters += Math.ceil(sizeBytes / clusterSize);
	for (const at of users) {
		const inode = rows[at + 1] ?? 0;
		const counted = (rows[at + 2] ?? 0) + clusters;
		checkBlockCount(state, inode, counted, rows[at + 3] ?? 0, rows[at + 4] ?? 0);
		if (!state.features.has('quota') || clusters === 0) continue;
		addUsage(state.usage.user, rows[at + 6] ?? 0, clusters * clusterSize, values.length);
		addUsage(state.usage.group, rows[at + 7] ?? 0, clusters * clusterSize, values.length);
		if (state.features.has('project')) {
			addUsage(state.usage.project, rows[at + 8] ?? 0, clusters * clusterSize, values.length);
		}
	}
}

/** A value that several inodes share through one block is named once for all of them. */
function keepValue(
	held: NumberList,
	rows: Float64Array,
	users: Uint32Array,
	value: HeldValue,
	block: number,
): void {
	const first = users[0] ?? 0;
	held.push(rows[first + 1] ?? 0);
	held.push(rows[first + 5] ?? 0);
	held.push(value.holder);
	held.push(value.hash);
	held.push(hashHeldEntry(value.name, 0));
	held.push(hashHeldEntry(value.name, 0, true));
	held.push(value.sizeBytes);
	held.push(block);
}
