/**
 * The entries of one block of a directory, or of one that lies in its inode. Kernel documentation,
 * "Linear (Classic) Directories" and "Inline Directories". What is wrong with one entry is told, and
 * the next one is looked at, as long as lengths lead on.
 */
import {foldName} from '../directory/casefold.ts';
import {encryptedNameLengthMin} from '../directory/encrypted-name.ts';
import {isDotName} from '../directory/entries.ts';
import {hashName} from '../directory/hash.ts';
import {
	ext4_dir_entry_2,
	ext4_dir_entry_hash,
	recordLengthMin,
	recordLengthOf,
} from '../layout/directory.ts';
import {hashVersions} from '../layout/htree.ts';
import {reservedInode} from '../layout/inode.ts';
import {ext4_super_block} from '../layout/superblock.ts';
import type {FindingCode} from './codes.ts';
import type {DirectoryUnderCheck} from './directory-blocks.ts';
import {policies} from './encryption-policy.ts';
import type {FindingPlace, FindingValues} from './finding.ts';
import type {HashTree} from './hash-tree.ts';
import {factFlags, typeUnknown} from './inode-facts.ts';
import {NameSet} from './name-set.ts';
import {Paths} from './paths.ts';
import type {CheckState} from './state.ts';

const nameAt = ext4_dir_entry_2.sizeBytes;
const entryLengthMin = 12;
const dotLength = 12;
const dot = 0x2e;
const slash = 0x2f;
const typeDirectory = 2;
const typeFile = 1;
const typeSymlink = 7;
/** s_encoding_flags: names that are not in the encoding are not allowed. */
const strictEncoding = 0x1;

export type EntryStretch = {
	readonly bytes: Uint8Array;
	readonly view: DataView;
	readonly start: number;
	/** Where entries end: at the checksum, where there is one. */
	readonly end: number;
	readonly logical: number;
	/** Physical; undefined for what lies in an inode. */
	readonly block: number | undefined;
	/** Of the block in the hash tree. */
	readonly ordinal: number;
};

/** Names as they are shown: any bytes, one character each. */
function nameOf(bytes: Uint8Array, start: number, length: number): string {
	let name = '';
	for (let at = start; at < start + length; at++) name += String.fromCharCode(bytes[at] ?? 0);
	return name;
}

const decoder = new TextDecoder('utf-8', {fatal: true});

function isUtf8(name: Uint8Array): boolean {
	try {
		decoder.decode(name);
		return true;
	} catch (error) {
		if (error instanceof TypeError) return false;
		throw error;
	}
}

/** Looks at the entries of directories, one block after another. */
export class EntryChecker {
	readonly #names: NameSet;
	/** The folded names of the block at hand, one behind the other. */
	#folded = new Uint8Array(2 ** 16);
	#foldedLength = 0;
	readonly #foldedNames: NameSet;

	readonly #paths: Paths;
	/** Inodes of quotas and orphan file, which no entry may name, whatever the features are. */
	readonly #kept: readonly number[];
	readonly #keptLast: number;
	readonly #hasTypes: boolean;
	readonly #isStrict: boolean;

	/** The entry at hand, for `#tell`: made anew for each of a million, a closure costs more than its look. */
	#directory: DirectoryUnderCheck | undefined;
	#stretch: EntryStretch | undefined;
	#at = 0;

	constructor(state: CheckState) {
		const {blockSize} = state.geometry;
		this.#paths = new Paths(state);
		this.#names = new NameSet(blockSize);
		this.#foldedNames = new NameSet(blockSize);
		const raw = ext4_super_block.at(state.superblock.view, 0);
		this.#kept = [
			...[raw.s_usr_quota_inum, raw.s_grp_quota_inum, raw.s_prj_quota_inum],
			raw.s_orphan_file_inum,
		].filter(number => number !== 0);
		this.#keptLast = Math.max(0, ...this.#kept);
		this.#hasTypes = state.features.has('filetype');
		this.#isStrict = (state.superblock.encodingFlags & strictEncoding) !== 0;
	}

	/** Reports a finding about the entry at hand; names are made into text only for who gets to see them. */
	readonly #tell: Tell = (code, more) => {
		const directory = this.#directory;
		const stretch = this.#stretch;
		if (directory === undefined || stretch === undefined) return; // No entry is at hand.
		const at = this.#at;
		const target = stretch.view.getUint32(at, true);
		const name = nameOf(stretch.bytes, at + nameAt, stretch.bytes[at + 6] ?? 0);
		const path = this.#paths.ofEntry(directory.number, name);
		const place = {...placeOf(directory, stretch, at), inode: target, group: more?.group, path};
		const values = {name: JSON.stringify(name), found: target, ...more?.values};
		directory.state.report(code, place, values);
	};

	/**
	 * Checks a stretch that begins with the entry number `first` of the directory (0 for `.`, 1 for
	 * `..`, 2 for any other). Returns where the entries end; before the stretch does where their
	 * lengths lead astray.
	 */
	check(
		directory: DirectoryUnderCheck,
		stretch: EntryStretch,
		first: number,
		tree: HashTree | undefined,
	): number {
		const {bytes, view, start, end} = stretch;
		this.#names.begin(bytes);
		this.#foldedLength = 0;
		this.#foldedNames.begin(this.#folded);
		let position = first;
		let at = start;
		while (at < end) {
			const length = this.#lengthOf(directory, stretch, at);
			if (length === undefined) return at;
			if (position === 0) checkDot(directory, stretch, at, length);
			if (position === 1) checkDotDot(directory, stretch, at);
			if (view.getUint32(at, true) !== 0) {
				this.#checkUsed(directory, stretch, at, position >= 2, tree);
			}
			at += length;
			position++;
		}
		return at;
	}

	/** The entry's length; undefined, and reported, where it can't be. */
	#lengthOf(directory: DirectoryUnderCheck, stretch: EntryStretch, at: number): number | undefined {
		const {bytes, view, end} = stretch;
		const place = placeOf(directory, stretch, at);
		const left = end - at;
		if (left < nameAt) {
			directory.state.report('CHECK_DIRECTORY_ENTRY_LENGTH', place, {
				found: left,
				expected: `it takes ${entryLengthMin}`,
			});
			return undefined;
		}
		const length = recordLengthOf(view.getUint16(at + 4, true), directory.blockSize);
		const nameLength = bytes[at + 6] ?? 0;
		const least = Math.max(entryLengthMin, nameAt + nameLength);
		const expected =
			length % 4 !== 0
				? 'a multiple of 4 is needed'
				: length < least
					? `its name takes ${least}`
					: length > left
						? `only ${left} are left`
						: undefined;
		if (expected === undefined) return length;
		directory.state.report('CHECK_DIRECTORY_ENTRY_LENGTH', place, {found: length, expected});
		return undefined;
	}

	/** An entry that names an inode. */
	#checkUsed(
		directory: DirectoryUnderCheck,
		stretch: EntryStretch,
		at: number,
		isOrdinary: boolean,
		tree: HashTree | undefined,
	): void {
		const {state, number} = directory;
		const {bytes, view} = stretch;
		const target = view.getUint32(at, true);
		const nameLength = bytes[at + 6] ?? 0;
		this.#directory = directory;
		this.#stretch = stretch;
		this.#at = at;
		const tell = this.#tell;
		if (isOrdinary && target === number) {
			tell('CHECK_ENTRY_TO_ITSELF');
			return;
		}
		const {inodeCount, firstInode, inodesPerGroup} = state.geometry;
		const isReserved = target !== reservedInode.root && target < firstInode;
		const isKept = target <= this.#keptLast && this.#kept.includes(target);
		if (isReserved || isKept || target > inodeCount) {
			tell('CHECK_ENTRY_INODE_NUMBER');
			return;
		}
		if (isOrdinary) {
			if (isDotName(bytes, at + nameAt, nameLength)) tell('CHECK_ENTRY_NAME_DOT');
			else if (target === reservedInode.root) tell('CHECK_ENTRY_TO_ROOT');
			else if (nameLength === 0) tell('CHECK_ENTRY_NAME_EMPTY');
		}
		const slot = state.inodes.slotOf(target);
		if (slot === -1) {
			const group = Math.floor((target - 1) / inodesPerGroup);
			tell('CHECK_ENTRY_INODE_NEVER_USED', {group});
			return;
		}
		const type = state.inodes.types[slot] ?? 0;
		if (type === 0) {
			tell('CHECK_ENTRY_INODE_UNUSED');
			return;
		}
		this.#checkName(directory, bytes, at, isOrdinary, tell);
		if (isOrdinary) checkTarget(directory, target, slot, tell);
		this.#checkType(bytes[at + 7] ?? 0, type);
		if (isOrdinary && tree !== undefined) {
			const hash = hashOf(directory, stretch, at, tree);
			if (hash !== undefined) tree.takeHash(stretch.ordinal, hash);
		}
		if (isOrdinary && type === typeDirectory) adoptDirectory(directory, target, tell);
		state.inodes.addReference(slot);
	}

	#checkName(
		directory: DirectoryUnderCheck,
		bytes: Uint8Array,
		at: number,
		isOrdinary: boolean,
		tell: Tell,
	): void {
		const start = at + nameAt;
		const length = bytes[at + 6] ?? 0;
		if (directory.isEncrypted && isOrdinary) {
			if (length < encryptedNameLengthMin) {
				tell('CHECK_ENTRY_NAME_ENCRYPTED', {values: {found: length}});
			}
		} else if (hasForbiddenByte(bytes, start, length)) tell('CHECK_ENTRY_NAME_CHARACTER');
		if (!directory.isCasefolded || directory.isEncrypted) {
			if (!this.#names.add(start, length)) tell('CHECK_ENTRY_NAME_TWICE');
			return;
		}
		const name = bytes.subarray(start, start + length);
		if (this.#isStrict && isOrdinary && !isUtf8(name)) tell('CHECK_ENTRY_NAME_ENCODING');
		if (!this.#addFolded(name)) tell('CHECK_ENTRY_NAME_TWICE');
	}

	#checkType(found: number, type: number): void {
		if (!this.#hasTypes) {
			if (found !== 0) this.#tell('CHECK_ENTRY_TYPE_UNEXPECTED', {values: {found}});
			return;
		}
		if (type === typeUnknown || found === type) return;
		const code = found === 0 ? 'CHECK_ENTRY_TYPE_MISSING' : 'CHECK_ENTRY_TYPE';
		this.#tell(code, {values: {found, expected: type}});
	}

	#addFolded(name: Uint8Array): boolean {
		const folded = foldName(name) ?? name;
		const start = this.#foldedLength;
		if (start + folded.length > this.#folded.length) {
			// Folding makes names longer; what was added so far stays where it is in the copy.
			const larger = new Uint8Array(this.#folded.length * 2 + folded.length);
			larger.set(this.#folded);
			this.#folded = larger;
			this.#foldedNames.moveTo(larger);
		}
		this.#folded.set(folded, start);
		this.#foldedLength += folded.length;
		return this.#foldedNames.add(start, folded.length);
	}
}

/** Reports a finding about the entry at hand. */
type Tell = (
	code: FindingCode,
	more?: {readonly group?: number; readonly values?: FindingValues},
) => void;

function placeOf(directory: DirectoryUnderCheck, stretch: EntryStretch, at: number): FindingPlace {
	return {
		directory: directory.number,
		logical: stretch.logical,
		block: stretch.block,
		offset: at,
	};
}

function hasForbiddenByte(bytes: Uint8Array, start: number, length: number): boolean {
	for (let at = start; at < start + length; at++) {
		if (bytes[at] === slash || bytes[at] === 0) return true;
	}
	return false;
}

/** The first entry of a directory. */
function checkDot(
	directory: DirectoryUnderCheck,
	stretch: EntryStretch,
	at: number,
	length: number,
): void {
	const {state, number} = directory;
	const {bytes, view} = stretch;
	const place = {...placeOf(directory, stretch, at), inode: number};
	const target = view.getUint32(at, true);
	const nameLength = bytes[at + 6] ?? 0;
	if (target === 0) state.report('CHECK_DOT_MISSING', place);
	else if (nameLength !== 1 || bytes[at + nameAt] !== dot) {
		const found = JSON.stringify(nameOf(bytes, at + nameAt, nameLength));
		state.report('CHECK_DOT_NAME', place, {found, expected: '.'});
	} else if (bytes[at + nameAt + 1] !== 0) state.report('CHECK_DOT_TERMINATOR', place);
	if (target !== number) state.report('CHECK_DOT_INODE', place, {found: target, expected: number});
	// What twelve bytes more would hold might be an entry.
	if (length > 2 * dotLength) {
		state.report('CHECK_DOT_LENGTH', place, {found: length, expected: dotLength});
	}
}

/** The second entry of a directory. */
function checkDotDot(directory: DirectoryUnderCheck, stretch: EntryStretch, at: number): void {
	const {state, number, index} = directory;
	const {bytes, view} = stretch;
	const place = {...placeOf(directory, stretch, at), inode: number};
	const target = view.getUint32(at, true);
	const nameLength = bytes[at + 6] ?? 0;
	if (target === 0) state.report('CHECK_DOTDOT_MISSING', place);
	else if (nameLength !== 2 || bytes[at + nameAt] !== dot || bytes[at + nameAt + 1] !== dot) {
		const found = JSON.stringify(nameOf(bytes, at + nameAt, nameLength));
		state.report('CHECK_DOTDOT_NAME', place, {found, expected: '..'});
	} else if (bytes[at + nameAt + 2] !== 0) state.report('CHECK_DOTDOT_TERMINATOR', place);
	state.directories.dotDots[index] = target;
}

/** What the inode that is named must and must not be. */
function checkTarget(
	directory: DirectoryUnderCheck,
	target: number,
	slot: number,
	tell: Tell,
): void {
	const {inodes, valueReferences} = directory.state;
	const flags = inodes.flags[slot] ?? 0;
	if ((flags & factFlags.valueHolder) !== 0) {
		tell(valueReferences.has(target) ? 'CHECK_ENTRY_TO_VALUE' : 'CHECK_ENTRY_TO_LOST_VALUE');
	}
	if (!directory.isEncrypted) return;
	if ((flags & factFlags.encrypted) !== 0) {
		const {policies: known} = directory.state;
		const policy = known[slot] ?? policies.none;
		const wanted = known[inodes.slotOf(directory.number)] ?? policies.none;
		// Who has none, or a damaged one, was told.
		const isKnown = policy > policies.corrupt && wanted > policies.corrupt;
		if (isKnown && policy !== wanted) tell('CHECK_ENTRY_OTHER_POLICY');
		return;
	}
	const type = inodes.types[slot] ?? 0;
	if (type === typeFile || type === typeDirectory || type === typeSymlink) {
		tell('CHECK_ENTRY_NOT_ENCRYPTED');
	}
}

/** Notes in which directory another lies. */
function adoptDirectory(directory: DirectoryUnderCheck, target: number, tell: Tell): void {
	const {state, number} = directory;
	const {parents} = state.directories;
	const index = state.directories.indexOf(target);
	if (index === -1) return;
	const parent = parents[index] ?? 0;
	if (parent === 0) parents[index] = number;
	else tell('CHECK_ENTRY_TO_KNOWN_DIRECTORY', {values: {expected: parent}});
}

/** The hash by which the tree orders an entry; undefined where it can't be told. */
function hashOf(
	directory: DirectoryUnderCheck,
	stretch: EntryStretch,
	at: number,
	tree: HashTree,
): number | undefined {
	const {bytes, view, end} = stretch;
	const {isHashUnsigned, hashSeed} = directory.state.superblock;
	const length = bytes[at + 6] ?? 0;
	if (tree.hashVersion === undefined) return undefined;
	if (tree.hashVersion === hashVersions.siphash) {
		const hashAt = at + recordLengthMin(length, false);
		return hashAt + ext4_dir_entry_hash.sizeBytes <= end
			? ext4_dir_entry_hash.at(view, hashAt).hash
			: undefined;
	}
	const name = bytes.subarray(at + nameAt, at + nameAt + length);
	const folded = directory.isCasefolded ? foldName(name) : undefined;
	return hashName(tree.hashVersion, isHashUnsigned, hashSeed, folded ?? name)?.major;
}
