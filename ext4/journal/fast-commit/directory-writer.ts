/**
 * Writes the changes of a directory into its blocks, or into its inode. What was removed is taken
 * out where it lies. What was added goes where the hash tree wants it; without a tree, where there
 * is room, at last into new blocks. A tree whose leaf has no room left is given up: the directory
 * is a linear one from then on, which every reader understands.
 */
import {
	directoryBlockCount,
	directoryRun,
	looksLikeNode,
	readEntriesBlock,
} from '../../directory/blocks.ts';
import {foldName} from '../../directory/casefold.ts';
import {
	checkEntries,
	type EntryForm,
	type EntryRules,
	entryNameLength,
	entryTypeCode,
	nameAt,
	recordLengthAt,
	rulesOf,
} from '../../directory/entries.ts';
import {
	blockArea,
	clearEntries,
	deleteEntry,
	type EntryArea,
	findRoom,
	insertEntry,
	type NewEntry,
} from '../../directory/entry-edits.ts';
import {hashName} from '../../directory/hash.ts';
import {LeafWalk, openTree, type TreeRoot} from '../../directory/hash-tree.ts';
import {assert, CorruptError} from '../../errors.ts';
import {recordLengthMin} from '../../layout/directory.ts';
import {dx_root} from '../../layout/htree.ts';
import {type Inode, inodeFlags} from '../../layout/inode.ts';
import type {Volume} from '../../volume.ts';
import type {ReplayBounds} from './bounds.ts';
import type {DirectoryEdits} from './directory-edits.ts';
import type {EditedBlock, EditedBlocks} from './edited-blocks.ts';
import type {EditedInode} from './edited-inode.ts';
import {clearBlock, findEntry, sealBlock, writeFirstBlock} from './entries.ts';
import {
	type InlineStretch,
	inlineParent,
	inlineStretches,
	removeInlineData,
	setInlineParent,
} from './inline-directory.ts';

/** Gives a file a block of its own as its logical block `logical`, and returns where it lies. */
export type AppendBlock = (inode: EditedInode, logical: number) => number;

/** The names to be taken out, by the inode that they lead to. */
type Wanted = Map<number, Set<string>>;

function wantedOf(edits: DirectoryEdits): Wanted {
	const wanted: Wanted = new Map();
	for (const [key, inode] of edits.removed) {
		const keys = wanted.get(inode) ?? new Set();
		wanted.set(inode, keys.add(key));
	}
	return wanted;
}

class DirectoryWriter {
	readonly #volume: Volume;
	readonly #blocks: EditedBlocks;
	readonly #inode: EditedInode;
	readonly #edits: DirectoryEdits;
	readonly #append: AppendBlock;
	readonly #bounds: ReplayBounds;
	readonly #form: EntryForm;
	/** By logical number: the blocks that were changed, and must be sealed. */
	readonly #touched = new Map<number, EditedBlock>();
	#blockCount = 0;

	constructor(
		volume: Volume,
		blocks: EditedBlocks,
		inode: EditedInode,
		edits: DirectoryEdits,
		append: AppendBlock,
		bounds: ReplayBounds,
	) {
		this.#volume = volume;
		this.#bounds = bounds;
		this.#blocks = blocks;
		this.#inode = inode;
		this.#edits = edits;
		this.#append = append;
		this.#form = {
			blockSize: volume.geometry.blockSize,
			hasTypes: volume.features.has('filetype'),
			hasChecksums: volume.features.has('metadata_csum'),
			hasHashes: false,
		};
	}

	write(): void {
		const {base} = this.#inode;
		const {newParent} = this.#edits;
		if ((this.#inode.flags & inodeFlags.inlineData) !== 0) this.#writeInline();
		else if (newParent !== undefined) this.#writeNew(newParent, [...this.#edits.added.values()]);
		else if (base !== undefined) this.#writeOld(base);
	}

	#writeInline(): void {
		const inode = this.#inode;
		const {newParent} = this.#edits;
		const stretches = inlineStretches(inode);
		if (newParent !== undefined) {
			setInlineParent(inode, newParent);
			for (const stretch of stretches) {
				clearEntries(this.#inlineArea(stretch), this.#form.blockSize);
			}
		}
		// As they are in the record, whatever the inode held before: what follows walks them.
		for (const stretch of stretches) {
			const area = this.#inlineArea(stretch);
			const rules = rulesOf(this.#volume, inode);
			checkEntries({...area, inode: inode.number, block: undefined}, rules);
		}
		const wanted = wantedOf(this.#edits);
		for (const stretch of stretches) {
			const area = this.#inlineArea(stretch);
			this.#remove(wanted, area, () => area);
		}
		const homeless = [...this.#edits.added.values()].filter(
			entry => !stretches.some(stretch => this.#insertInline(entry, stretch)),
		);
		if (homeless.length > 0) this.#moveOut(homeless);
	}

	#inlineArea({start, end}: InlineStretch): EntryArea {
		const {bytes, view} = this.#inode;
		return {bytes, view, start, end};
	}

	#insertInline(entry: NewEntry, stretch: InlineStretch): boolean {
		const area = this.#inlineArea(stretch);
		const at = this.#findRoom(area, entry);
		if (at === -1) return false;
		insertEntry(area, at, entry, this.#form);
		return true;
	}

	#findRoom(area: EntryArea, {name}: NewEntry): number {
		return findRoom(area, recordLengthMin(name.length, this.#form.hasHashes), this.#form);
	}

	/** The directory has become too long for its inode. */
	#moveOut(homeless: readonly NewEntry[]): void {
		const inode = this.#inode;
		const parent = inlineParent(inode);
		const entries = inlineStretches(inode).flatMap(({start, end}) =>
			this.#entriesBetween(start, end),
		);
		removeInlineData(inode);
		inode.flags &= ~inodeFlags.inlineData;
		this.#writeNew(parent, [...entries, ...homeless]);
	}

	/** Copies of the entries in use that lie in the inode. */
	#entriesBetween(start: number, end: number): NewEntry[] {
		const {bytes, view} = this.#inode;
		const entries: NewEntry[] = [];
		for (let at = start; at < end; at += recordLengthAt(view, at, this.#form.blockSize)) {
			const inode = view.getUint32(at, true);
			if (inode === 0) continue;
			const name = bytes.slice(at + nameAt, at + nameAt + entryNameLength(bytes, at));
			entries.push({name, inode, typeCode: entryTypeCode(bytes, at)});
		}
		return entries;
	}

	#writeNew(parent: number, entries: readonly NewEntry[]): void {
		this.#inode.flags &= ~inodeFlags.hashIndexed;
		writeFirstBlock(this.#appendBlock(), this.#inode.number, parent, this.#form);
		this.#insertLinear(entries);
		this.#finish();
	}

	#writeOld(base: Inode): void {
		const rules = rulesOf(this.#volume, base);
		this.#blockCount = directoryBlockCount(this.#volume, base);
		this.#removeOld();
		let homeless: readonly NewEntry[] = [...this.#edits.added.values()];
		const root = openTree(this.#volume, base, rules);
		if (root !== undefined) {
			homeless = homeless.filter(entry => !this.#insertInLeaf(base, rules, root, entry));
		}
		if (homeless.length > 0) {
			if (rules.isIndexed) this.#giveUpTree(base, rules);
			this.#insertLinear(homeless);
		}
		this.#finish();
	}

	#removeOld(): void {
		const wanted = wantedOf(this.#edits);
		for (let logical = 0; logical < this.#blockCount && wanted.size > 0; logical++) {
			const block = this.#peek(logical);
			if (block === undefined) continue;
			const area = blockArea(block, this.#form);
			this.#remove(wanted, area, () => blockArea(this.#open(logical), this.#form));
		}
		if (wanted.size === 0) return;
		throw new CorruptError('EXT4_BAD_DIRECTORY', 'an index knows a name that lies in no block', {
			inode: this.#inode.number,
		});
	}

	/** Takes out of a stretch what of `wanted` lies there, and strikes it off. */
	#remove(wanted: Wanted, area: EntryArea, open: () => EntryArea): void {
		const {blockSize} = this.#form;
		const matches = (inode: number, name: Uint8Array) => {
			const keys = wanted.get(inode);
			if (keys === undefined || !keys.delete(this.#edits.keyOf(name))) return false;
			if (keys.size === 0) wanted.delete(inode);
			return true;
		};
		let found = findEntry(area, blockSize, matches);
		while (found !== -1) {
			const edited = open();
			deleteEntry(edited, found, this.#form);
			found = findEntry(edited, blockSize, matches);
		}
	}

	/** A block with what was changed in it so far, or as it was, checked; undefined for a hole. */
	#peek(logical: number): (EditedBlock & {readonly number?: number}) | undefined {
		const touched = this.#touched.get(logical);
		const {base} = this.#inode;
		if (touched !== undefined || base === undefined) return touched;
		this.#bounds.look();
		const run = directoryRun(this.#volume, base, logical);
		if (run.kind === 'hole') return undefined;
		return readEntriesBlock(this.#volume, base, rulesOf(this.#volume, base), run, logical);
	}

	/** A block that `#peek` showed, to be changed. */
	#open(logical: number): EditedBlock {
		const touched = this.#touched.get(logical);
		if (touched !== undefined) return touched;
		const number = this.#peek(logical)?.number;
		assert(number !== undefined, 'only a block that is there is opened');
		const block = this.#blocks.open(number);
		this.#touched.set(logical, block);
		return block;
	}

	/** Puts an entry into a block; says whether there was room. */
	#insert(logical: number, entry: NewEntry): boolean {
		const block = this.#peek(logical);
		if (block === undefined) return false;
		const at = this.#findRoom(blockArea(block, this.#form), entry);
		if (at === -1) return false;
		insertEntry(blockArea(this.#open(logical), this.#form), at, entry, this.#form);
		return true;
	}

	#insertInLeaf(base: Inode, rules: EntryRules, root: TreeRoot, entry: NewEntry): boolean {
		const {isHashUnsigned, hashSeed} = this.#volume.superblock;
		const folded = rules.isCasefolded ? foldName(entry.name) : undefined;
		const hash = hashName(root.hashVersion, isHashUnsigned, hashSeed, folded ?? entry.name);
		if (hash === undefined) return false;
		const leaf = LeafWalk.start(this.#volume, base, rules, root, hash.major)?.leaf;
		// Where the tree leads into itself or nowhere, it is given up.
		if (leaf === undefined || leaf === 0 || leaf >= this.#blockCount) return false;
		return this.#insert(leaf, entry);
	}

	/** Makes the nodes of the tree ordinary blocks without entries. */
	#giveUpTree(base: Inode, rules: EntryRules): void {
		for (let logical = 0; logical < this.#blockCount; logical++) {
			if (this.#touched.has(logical)) continue; // A leaf; nodes were not touched.
			this.#bounds.look();
			const run = directoryRun(this.#volume, base, logical);
			if (run.kind === 'hole') continue;
			const cached = readEntriesBlock(this.#volume, base, rules, run, logical);
			if (logical === 0) {
				const parent = dx_root.at(cached.view, 0).dotdot_inode;
				writeFirstBlock(this.#open(0), this.#inode.number, parent, this.#form);
			} else if (looksLikeNode(cached)) clearBlock(this.#open(logical), this.#form);
		}
		this.#inode.flags &= ~inodeFlags.hashIndexed;
	}

	/** Each entry goes into the first block with room, from the block of the entry before on. */
	#insertLinear(entries: readonly NewEntry[]): void {
		let logical = 0;
		for (const entry of entries) {
			while (logical < this.#blockCount && !this.#insert(logical, entry)) logical++;
			if (logical < this.#blockCount) continue;
			this.#appendBlock();
			const hasRoom = this.#insert(logical, entry);
			assert(hasRoom, 'an empty block has room for every name');
		}
	}

	#appendBlock(): EditedBlock {
		const logical = this.#blockCount++;
		const block = this.#blocks.create(this.#append(this.#inode, logical));
		clearBlock(block, this.#form);
		this.#touched.set(logical, block);
		return block;
	}

	#finish(): void {
		const seed = this.#inode.checksumSeed ?? 0;
		for (const block of this.#touched.values()) sealBlock(block, seed, this.#form);
		this.#inode.sizeBytes = this.#blockCount * this.#form.blockSize;
	}
}

/**
 * Writes the changes of `inode`'s entries. Throws `CorruptError` for a directory that is broken,
 * `DeviceError`.
 */
export function writeDirectory(
	volume: Volume,
	blocks: EditedBlocks,
	inode: EditedInode,
	append: AppendBlock,
	bounds: ReplayBounds,
): void {
	const {directory} = inode;
	if (directory === undefined) return;
	new DirectoryWriter(volume, blocks, inode, directory, append, bounds).write();
}
