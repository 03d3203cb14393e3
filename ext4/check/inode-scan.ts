/**
 * Looks at every inode of a range of groups: reads their tables in large pieces, in order, and
 * judges each inode with what it leads to. What takes further reads (trees with nodes, block maps
 * with pointers, targets of symlinks) is put aside and looked at in the order of the disk.
 */
import {inodeBaseSize, inodeFlags, reservedInode} from '../layout/inode.ts';
import {creatorOs, ext4_super_block} from '../layout/superblock.ts';
import {hashHeldEntry} from '../xattr/hash.ts';
import {
	type AttributeArea,
	checkAttributes,
	type HeldValue,
	hasAttributes,
	inlineValueSize,
} from './attributes.ts';
import {BlockMapWalker} from './block-map.ts';
import {crc32cOfWord, crc32cOfWords} from './checksum.ts';
import type {FindingCode} from './codes.ts';
import {policies, policyIn} from './encryption-policy.ts';
import {ExtentWalker, isExtentHeader} from './extents.ts';
import {type FindingValues, hex} from './finding.ts';
import {addUsage, type Harvest, Harvester} from './harvest.ts';
import {InodeBytes} from './inode-bytes.ts';
import {factFlags, typeUnknown} from './inode-facts.ts';
import {Mapped} from './mapped.ts';
import {type CheckState, groupProblem} from './state.ts';

const chunkBytes = 1 << 20;
/** Inodes put aside before they are looked at; a few hundred bytes each. */
const asideMax = 4096;

const fileType = {
	fifo: 0x1000,
	character: 0x2000,
	directory: 0x4000,
	block: 0x6000,
	file: 0x8000,
	symlink: 0xa000,
	socket: 0xc000,
} as const;

/** What a directory entry calls each type; index is the upper four bits of the mode. */
const entryCodes = [0, 5, 3, 0, 2, 0, 4, 0, 1, 0, 7, 0, 6, 0, 0, 0] as const;

/** An inode put aside, and the first block it leads to. */
type Aside = {readonly inode: InodeBytes; readonly block: number; readonly extraClusters: number};

type SlowSymlink = {readonly inode: InodeBytes; readonly block: number};

export class InodeScan {
	readonly #state: CheckState;
	readonly #harvest = new Harvester();
	readonly #inode: InodeBytes;
	readonly #mapped: Mapped;
	readonly #extents: ExtentWalker;
	readonly #blockMap: BlockMapWalker;
	#aside: Aside[] = [];
	#symlinks: SlowSymlink[] = [];
	readonly #ranges: number[] = [];

	// What of the superblock every inode is judged by.
	readonly #hasChecksums: boolean;
	readonly #hasExtents: boolean;
	readonly #hasInline: boolean;
	readonly #has64bit: boolean;
	readonly #hasHugeFile: boolean;
	readonly #hasLargeDir: boolean;
	readonly #hasXattrs: boolean;
	readonly #hasEaInode: boolean;
	readonly #hasBigalloc: boolean;
	readonly #hasQuota: boolean;
	readonly #hasProject: boolean;
	readonly #isHurd: boolean;
	readonly #blockSize: number;
	readonly #preallocatedDirectoryBlocks: number;
	/** Inodes of journal, quotas and orphan file, where there are such. */
	readonly #ownFiles: readonly number[];
	readonly #ownFileLast: number;

	constructor(state: CheckState) {
		this.#state = state;
		const {features, geometry, superblock} = state;
		this.#inode = new InodeBytes(new DataView(new ArrayBuffer(0)), geometry.inodeSize);
		this.#mapped = new Mapped(state, this.#inode);
		this.#extents = new ExtentWalker(state, this.#mapped);
		this.#blockMap = new BlockMapWalker(state, this.#mapped);
		this.#hasChecksums = superblock.hasInodeChecksums;
		this.#hasExtents = features.has('extent');
		this.#hasInline = features.has('inline_data');
		this.#has64bit = features.has('64bit');
		this.#hasHugeFile = features.has('huge_file');
		this.#hasLargeDir = features.has('large_dir');
		this.#hasXattrs = features.has('ext_attr');
		this.#hasEaInode = features.has('ea_inode');
		this.#hasBigalloc = geometry.clusterBits > 0;
		this.#hasQuota = features.has('quota');
		this.#hasProject = features.has('project');
		const raw = ext4_super_block.at(superblock.view, 0);
		this.#isHurd = raw.s_creator_os === creatorOs.hurd;
		this.#preallocatedDirectoryBlocks = raw.s_prealloc_dir_blocks;
		this.#blockSize = geometry.blockSize;
		const {user, group, project} = superblock.quotaInodes;
		this.#ownFiles = [
			// The reserved one is the journal's for e2fsck wherever the superblock names it.
			...(features.has('has_journal') || superblock.journalInode === reservedInode.journal
				? [superblock.journalInode]
				: []),
			...(features.has('quota') ? [user, group, project] : []),
			superblock.orphanFileInode,
		].filter(number => number !== 0);
		this.#ownFileLast = Math.max(0, ...this.#ownFiles);
	}

	/** Scans groups from `from` up to, not including, `to`; yields after every chunk. */
	*run(from: number, to: number): Generator<number> {
		const state = this.#state;
		const {inodeSize, inodesPerGroup} = state.geometry;
		const chunk = new Uint8Array(Math.max(chunkBytes, this.#blockSize));
		const view = new DataView(chunk.buffer);
		const words = new Int32Array(chunk.buffer);
		this.#inode.view = view;
		for (let group = from; group < to; group++) {
			const {count} = state.inodes.slotsOfGroup(group);
			if (count === 0 || ((state.groupProblems[group] ?? 0) & groupProblem.inodeTable) !== 0)
				continue;
			const table = state.group(group).inodeTable;
			const bytes = count * inodeSize;
			for (let done = 0; done < bytes; done += chunk.length) {
				const wanted = Math.min(chunk.length, bytes - done);
				const whole = Math.ceil(wanted / this.#blockSize) * this.#blockSize;
				state.readBlocks(table + done / this.#blockSize, chunk.subarray(0, whole));
				const first = group * inodesPerGroup + done / inodeSize + 1;
				this.#scanChunk(words, first, wanted / inodeSize);
				yield wanted / inodeSize;
			}
		}
		this.#finishAside();
		this.#finishSymlinks();
	}

	finish(): Harvest {
		return this.#harvest.finish();
	}

	#scanChunk(words: Int32Array, first: number, count: number): void {
		const inode = this.#inode;
		const {inodeSize} = this.#state.geometry;
		let slot = this.#state.inodes.slotOf(first);
		for (let index = 0; index < count; index++, slot++) {
			inode.number = first + index;
			inode.at = index * inodeSize;
			if (this.#hasChecksums) this.#checkSum(words);
			this.#judge(slot);
		}
	}

	#checkSum(words: Int32Array): void {
		const inode = this.#inode;
		const {view, at, size} = inode;
		const hasHigh = size > inodeBaseSize && view.getUint16(at + 0x80, true) >= 4;
		const low = view.getUint16(at + 0x7c, true);
		const high = hasHigh ? view.getUint16(at + 0x82, true) : 0;
		// A table that was never written is zeros.
		if (low === 0 && high === 0 && inode.mode === 0 && isZero(view, at, size)) return;
		view.setUint16(at + 0x7c, 0, true);
		if (hasHigh) view.setUint16(at + 0x82, 0, true);
		const {checksumSeed} = this.#state.superblock;
		const seed = crc32cOfWord(crc32cOfWord(checksumSeed, inode.number), inode.generation);
		const sum = crc32cOfWords(seed, words, at, size);
		view.setUint16(at + 0x7c, low, true);
		if (hasHigh) view.setUint16(at + 0x82, high, true);
		const found = high * 0x1_0000 + low;
		const expected = hasHigh ? sum : sum & 0xffff;
		if (found !== expected)
			this.#tell('CHECK_INODE_CHECKSUM', {found: hex(found), expected: hex(expected)});
	}

	#tell(code: FindingCode, values: FindingValues = {}): void {
		this.#state.report(code, {inode: this.#inode.number}, values);
	}

	#judge(slot: number): void {
		const inode = this.#inode;
		const {number} = inode;
		const {inodes} = this.#state;
		const links = inode.linkCount;
		inodes.linkCounts[slot] = links;
		if (this.#isReserved()) {
			this.#judgeReserved(slot);
			return;
		}
		if (links === 0 && number !== reservedInode.root) {
			if (this.#state.orphans.has(number)) {
				inodes.flags[slot] = (inodes.flags[slot] ?? 0) | factFlags.orphan;
			} else {
				const {deletionTime} = inode;
				if (deletionTime === 0) {
					if (inode.mode !== 0) this.#tell('CHECK_INODE_DELETED_WITHOUT_TIME');
				} else this.#checkDeletionTime(deletionTime);
				return;
			}
		} else if (inode.deletionTime !== 0 && !this.#state.orphans.has(number)) {
			this.#tell('CHECK_INODE_USED_WITH_DELETION_TIME', {found: inode.deletionTime});
		}
		this.#judgeUsed(slot, entryCodes[inode.mode >>> 12] ?? 0);
	}

	/**
	 * A free inode whose deletion time is small was on the list of orphans, which has lost it. Where
	 * the clock stood that low when the file system was made or used, nothing can be told.
	 */
	#checkDeletionTime(time: number): void {
		const {geometry, superblock} = this.#state;
		const {mkfsTime, mountTime, writeTime} = superblock;
		const isOld = (seconds: number) => seconds < geometry.inodeCount;
		if (isOld(writeTime) || isOld(mountTime) || (mkfsTime !== 0 && isOld(mkfsTime))) return;
		if (time < geometry.inodeCount) this.#tell('CHECK_INODE_LOST_ORPHAN', {found: time});
	}

	#judgeReserved(slot: number): void {
		const inode = this.#inode;
		const {number, mode, type} = inode;
		const {inodes} = this.#state;
		// All of them count as in use, whether or not anything is in them.
		inodes.types[slot] = entryCodes[mode >>> 12] || typeUnknown;
		inodes.flags[slot] = factFlags.reserved;
		const isOwnFile = this.#ownFiles.includes(number);
		this.#checkCasefold();
		if (number === reservedInode.badBlocks) {
			if (
				mode !== 0 ||
				inode.uid !== 0 ||
				inode.gid !== 0 ||
				inode.linkCount !== 0 ||
				inode.has(inodeFlags.inlineData) ||
				inode.xattrBlockLow !== 0
			) {
				this.#tell('CHECK_BAD_BLOCKS_INODE');
			}
		} else if (isOwnFile) {
			if (type !== fileType.file) this.#tell('CHECK_OWN_FILE_MODE', {found: octal(mode)});
			if (inode.deletionTime !== 0 || inode.linkCount === 0) {
				this.#tell('CHECK_OWN_FILE_FREE', {found: inode.linkCount});
			}
		} else if (
			number === reservedInode.userQuota ||
			number === reservedInode.groupQuota ||
			number === reservedInode.journal
		) {
			if (inode.linkCount !== 0 || inode.blocksLow !== 0 || inode.block(0) !== 0) {
				this.#tell('CHECK_RESERVED_INODE_NOT_CLEAR');
				return;
			}
		} else if (number === reservedInode.bootLoader) {
			if (type === fileType.directory)
				this.#tell('CHECK_RESERVED_INODE_MODE', {found: octal(mode)});
		} else if (number === reservedInode.resize) {
			if (mode !== 0 && type !== fileType.file) {
				this.#tell('CHECK_RESERVED_INODE_MODE', {found: octal(mode)});
			}
			this.#judgeResizeForm();
			return; // Its blocks were looked at with the volume.
		} else if (mode !== 0) this.#tell('CHECK_RESERVED_INODE_MODE', {found: octal(mode)});
		this.#checkExtraSpace();
		this.#checkFormFlags();
		this.#mapLater(0);
	}

	/** It has a map of blocks; with flags that say otherwise nobody finds them. */
	#judgeResizeForm(): void {
		const inode = this.#inode;
		if (!this.#state.features.has('resize_inode')) return;
		if (inode.has(inodeFlags.inlineData) && this.#hasInline) {
			if (inode.blocksLow === 0) return;
			this.#tell('CHECK_INODE_BLOCK_COUNT', {found: inode.blocksLow, expected: 0});
		} else if (inode.has(inodeFlags.extents)) {
			this.#tell('CHECK_EXTENT_HEADER_MISSING');
		}
	}

	#checkCasefold(): void {
		const inode = this.#inode;
		if (!inode.has(inodeFlags.casefold)) return;
		if (inode.type !== fileType.directory) this.#tell('CHECK_CASEFOLD_WITHOUT_DIRECTORY');
		else if (!this.#state.features.has('casefold')) this.#tell('CHECK_CASEFOLD_WITHOUT_FEATURE');
	}

	#judgeUsed(slot: number, code: number): void {
		const inode = this.#inode;
		const {inodes} = this.#state;
		const {totals} = this.#harvest;
		const {number, mode, type, flags} = inode;
		totals.files++;
		inodes.types[slot] = code === 0 ? typeUnknown : code;
		let facts = inodes.flags[slot] ?? 0;
		if ((flags & inodeFlags.eaInode) !== 0) facts |= factFlags.valueHolder;
		if ((flags & inodeFlags.encrypted) !== 0) facts |= factFlags.encrypted;
		if ((flags & inodeFlags.casefold) !== 0) facts |= factFlags.casefold;
		if ((flags & inodeFlags.hashIndexed) !== 0) facts |= factFlags.hashIndexed;
		if ((flags & inodeFlags.inlineData) !== 0) facts |= factFlags.inlineData;
		if (number === reservedInode.root && type !== fileType.directory) {
			this.#tell('CHECK_ROOT_NOT_DIRECTORY', {found: octal(mode)});
		}
		if (this.#checkFields()) facts |= factFlags.hasBadFields;
		if (code === 0) {
			facts |= factFlags.hasBadFields;
			this.#tell('CHECK_INODE_MODE', {found: octal(mode)});
		}
		if ((flags & inodeFlags.afsMagic) !== 0 && !this.#state.features.has('imagic_inodes')) {
			this.#tell('CHECK_AFS_WITHOUT_FEATURE');
		}
		inodes.flags[slot] = facts;
		if ((flags & inodeFlags.eaInode) !== 0) this.#keepHolder();
		if (!this.#checkFormFlags()) return;
		const heldClusters = this.#checkExtraSpace();
		if ((flags & inodeFlags.encrypted) !== 0) this.#keepPolicy();
		this.#judgeType(heldClusters);
	}

	/** Fields that must be zero; they were something else once. Whether one is not. */
	#checkFields(): boolean {
		const inode = this.#inode;
		const {fragmentAddress} = inode;
		let isBad = false;
		if (fragmentAddress !== 0) isBad = this.#tellNotZero('CHECK_INODE_FRAGMENT', fragmentAddress);
		if (!this.#hasLargeDir && inode.type === fileType.directory && inode.sizeHigh !== 0) {
			isBad = this.#tellNotZero('CHECK_DIRECTORY_SIZE_HIGH', inode.sizeHigh);
		}
		// The Hurd keeps other things in these.
		if (this.#isHurd) return isBad;
		if (!this.#has64bit && inode.xattrBlockHigh !== 0) {
			isBad = this.#tellNotZero('CHECK_INODE_XATTR_BLOCK_HIGH', inode.xattrBlockHigh);
		}
		if (!this.#hasHugeFile && inode.blocksHigh !== 0) {
			isBad = this.#tellNotZero('CHECK_INODE_BLOCKS_HIGH', inode.blocksHigh);
		}
		return isBad;
	}

	#tellNotZero(code: FindingCode, found: number): true {
		this.#tell(code, {found});
		return true;
	}

	/** Whether flags say how the contents are kept in one way only; false where nothing can be read. */
	#checkFormFlags(): boolean {
		const inode = this.#inode;
		const {flags} = inode;
		const isInline = (flags & inodeFlags.inlineData) !== 0;
		const isTree = (flags & inodeFlags.extents) !== 0;
		if (isInline && isTree) {
			this.#tell('CHECK_INODE_TWO_FORMS');
			return true;
		}
		if (isInline && !this.#hasInline) {
			this.#tell('CHECK_INLINE_WITHOUT_FEATURE');
			return false;
		}
		if (isTree && !this.#hasExtents) this.#tell('CHECK_EXTENTS_WITHOUT_FEATURE');
		if (!isTree && !isInline && this.#hasExtents && inode.linkCount > 0) {
			const {type} = inode;
			const isPlain = type === fileType.file || type === fileType.directory;
			if (isPlain && isExtentHeader(inode.view, inode.at + 0x28, 60)) {
				this.#tell('CHECK_EXTENTS_UNMARKED');
			}
		}
		if (
			!isTree &&
			!isInline &&
			this.#hasBigalloc &&
			(inode.type === fileType.file || inode.type === fileType.directory) &&
			inode.number >= this.#state.geometry.firstInode
		) {
			this.#tell('CHECK_BLOCK_MAP_WITH_BIGALLOC');
		}
		return true;
	}

	/**
	 * What lies behind the first 128 bytes. The clusters that values of attributes take in inodes
	 * of their own, which count as the owner's.
	 */
	#checkExtraSpace(): number {
		const inode = this.#inode;
		if (inode.size === inodeBaseSize) return 0;
		const max = inode.size - inodeBaseSize;
		const extra = inode.extraSize;
		if (extra !== 0 && (extra < 4 || extra > max || extra % 4 !== 0)) {
			this.#tell('CHECK_INODE_EXTRA_SIZE', {found: extra, expected: max});
			return 0;
		}
		if (extra === 0 || extra >= max - 4) return 0;
		const headerAt = inode.at + inodeBaseSize + extra;
		if (!hasAttributes(inode.view, headerAt)) return 0;
		let clusters = 0;
		const problem = checkAttributes(this.#areaOf(headerAt), this.#ranges, value => {
			clusters += this.#keepValue(value, 0);
		});
		if (problem !== undefined) {
			const {code, offset, ...values} = problem;
			this.#state.report(code, {inode: inode.number, offset: offset - inode.at}, values);
		}
		return clusters;
	}

	#areaOf(headerAt: number): AttributeArea {
		const inode = this.#inode;
		return {
			view: inode.view,
			entriesAt: headerAt + 4,
			valuesFrom: headerAt + 4,
			end: inode.at + inode.size,
			needsHash: false,
		};
	}

	#keepValue(value: HeldValue, block: number): number {
		const inode = this.#inode;
		const {heldValues} = this.#harvest;
		heldValues.push(inode.number);
		heldValues.push(inode.generation);
		heldValues.push(value.holder);
		heldValues.push(value.hash);
		heldValues.push(hashHeldEntry(value.name, 0));
		heldValues.push(hashHeldEntry(value.name, 0, true));
		heldValues.push(value.sizeBytes);
		heldValues.push(block);
		return Math.ceil(value.sizeBytes / this.#state.geometry.clusterSize);
	}

	/** Where its attributes begin in the inode; undefined where it has none there. */
	#areaInInode(): AttributeArea | undefined {
		const inode = this.#inode;
		const extra = inode.extraSize;
		const headerAt = inode.at + inodeBaseSize + extra;
		if (extra === 0 || extra > inode.size - inodeBaseSize - 8 || extra % 4 !== 0) return undefined;
		return hasAttributes(inode.view, headerAt) ? this.#areaOf(headerAt) : undefined;
	}

	#keepPolicy(): void {
		const area = this.#areaInInode();
		this.#harvest.policies.push(this.#inode.number);
		this.#harvest.policies.push(area === undefined ? policies.none : policyIn(area));
	}

	#keepHolder(): void {
		const inode = this.#inode;
		const {holders} = this.#harvest;
		holders.push(inode.number);
		holders.push(inode.accessTime);
		holders.push(inode.changeTime);
		holders.push(inode.version);
		holders.push(inode.modificationTime);
		holders.push(inode.generation);
		holders.push(inode.sizeBytes);
		if (inode.type !== fileType.file)
			this.#tell('CHECK_VALUE_INODE_MODE', {found: octal(inode.mode)});
	}

	#judgeType(heldClusters: number): void {
		const inode = this.#inode;
		const {totals} = this.#harvest;
		switch (inode.type) {
			case fileType.directory:
				totals.directories++;
				break;
			case fileType.file:
				totals.regularFiles++;
				break;
			case fileType.symlink:
				totals.symlinks++;
				if (this.#judgeSymlink(heldClusters)) return;
				break;
			case fileType.character:
				totals.characterDevices++;
				this.#judgeSpecial('CHECK_CHARACTER_DEVICE');
				break;
			case fileType.block:
				totals.blockDevices++;
				this.#judgeSpecial('CHECK_BLOCK_DEVICE');
				break;
			case fileType.fifo:
				totals.fifos++;
				this.#judgeSpecial('CHECK_FIFO');
				break;
			case fileType.socket:
				totals.sockets++;
				this.#judgeSpecial('CHECK_SOCKET');
				break;
			default:
				break;
		}
		if (inode.has(inodeFlags.hashIndexed)) {
			if (inode.type !== fileType.directory) this.#tell('CHECK_INDEX_WITHOUT_DIRECTORY');
			else if (!this.#state.features.has('dir_index')) this.#tell('CHECK_INDEX_WITHOUT_FEATURE');
		}
		this.#checkCasefold();
		this.#mapLater(heldClusters);
	}

	/** Devices, pipes and sockets have no blocks, but a device's number in i_block. */
	#judgeSpecial(code: FindingCode): void {
		const inode = this.#inode;
		let isBad = inode.has(inodeFlags.hashIndexed) || inode.has(inodeFlags.extents);
		if (inode.has(inodeFlags.immutable)) {
			for (let index = 4; index < 15; index++) if (inode.block(index) !== 0) isBad = true;
		}
		if (isBad) {
			this.#tell(code);
			this.#markBad();
			return;
		}
		if (inode.has(inodeFlags.inlineData)) this.#tell('CHECK_SPECIAL_INLINE');
		if (inode.has(inodeFlags.immutable) || inode.has(inodeFlags.appendOnly)) {
			this.#tell('CHECK_SPECIAL_IMMUTABLE');
		}
		if (inode.sizeBytes !== 0)
			this.#tell('CHECK_SPECIAL_SIZE', {found: inode.sizeBytes, expected: 0});
	}

	#markBad(): void {
		const {inodes} = this.#state;
		const slot = inodes.slotOf(this.#inode.number);
		inodes.flags[slot] = (inodes.flags[slot] ?? 0) | factFlags.hasBadFields;
	}

	#badSymlink(inode: InodeBytes): void {
		this.#state.report('CHECK_SYMLINK', {inode: inode.number}, {found: inode.sizeBytes});
		const {inodes} = this.#state;
		const slot = inodes.slotOf(inode.number);
		inodes.flags[slot] = (inodes.flags[slot] ?? 0) | factFlags.hasBadFields;
	}

	/** True where nothing is left to be looked at: the target lies in the inode. */
	#judgeSymlink(heldClusters: number): boolean {
		const inode = this.#inode;
		const size = inode.sizeLow;
		if (inode.sizeHigh !== 0 || size === 0 || inode.has(inodeFlags.hashIndexed)) {
			this.#badSymlink(inode);
			return inode.has(inodeFlags.inlineData) || size < 60;
		}
		if (inode.has(inodeFlags.inlineData)) {
			const kept = this.#inlineSize();
			if (kept < 0) this.#tell('CHECK_INLINE_WITHOUT_ATTRIBUTE');
			else if (kept !== size && !(kept === 60 && size < 60)) this.#badSymlink(inode);
			this.#checkWithoutMapping(heldClusters);
			return true;
		}
		if (size < 60 && !inode.has(inodeFlags.extents)) {
			this.#harvest.totals.fastSymlinks++;
			const at = inode.at + 0x28;
			const isWell = inode.has(inodeFlags.encrypted)
				? inode.view.getUint16(at, true) + 2 === size
				: lengthOfText(inode.view, at, 60) === size;
			if (!isWell) this.#badSymlink(inode);
			this.#checkWithoutMapping(heldClusters);
			return true;
		}
		const block = this.#symlinkBlock(size);
		if (block === 0) this.#badSymlink(inode);
		else this.#symlinks.push({inode: inode.copy(), block});
		if (this.#symlinks.length >= asideMax) this.#finishSymlinks();
		return false;
	}

	/** The one block of a symlink that does not fit its inode; 0 where it has not just one. */
	#symlinkBlock(size: number): number {
		const inode = this.#inode;
		const {blockCount, firstDataBlock} = this.#state.geometry;
		let block = inode.block(0);
		if (inode.has(inodeFlags.extents)) {
			const at = inode.at + 0x28;
			const {view} = inode;
			const isOne =
				size >= 60 &&
				isExtentHeader(view, at, 60) &&
				view.getUint16(at + 2, true) === 1 &&
				view.getUint16(at + 6, true) === 0 &&
				view.getUint32(at + 12, true) === 0 &&
				(view.getUint16(at + 16, true) & 0x7fff) === 1;
			if (!isOne) return 0;
			block = view.getUint16(at + 18, true) * 2 ** 32 + view.getUint32(at + 20, true);
		} else {
			for (let index = 1; index < 15; index++) if (inode.block(index) !== 0) return 0;
		}
		return block >= firstDataBlock && block < blockCount ? block : 0;
	}

	#finishSymlinks(): void {
		const bytes = new Uint8Array(this.#blockSize);
		const view = new DataView(bytes.buffer);
		for (const {inode, block} of this.#symlinks.sort((a, b) => a.block - b.block)) {
			if (!this.#state.readBlocks(block, bytes)) continue;
			const length = inode.has(inodeFlags.encrypted)
				? view.getUint16(0, true) + 2
				: lengthOfText(view, 0, bytes.length);
			if (length !== inode.sizeLow || length >= bytes.length) this.#badSymlink(inode);
		}
		this.#symlinks = [];
	}

	/** Bytes of inline data: those in i_block and those in the attribute; -1 where there is none. */
	#inlineSize(): number {
		const area = this.#areaInInode();
		if (area === undefined) return -1;
		const more = inlineValueSize(area);
		return more < 0 ? -1 : 60 + more;
	}

	/** An inode whose contents lie in itself; attributes may take blocks all the same. */
	#checkWithoutMapping(heldClusters: number): void {
		this.#mapped.begin(this.#inode, this.#inode.type === fileType.directory);
		this.#finishMapping(heldClusters);
	}

	/** Looks at the mapping of the inode now where all of it lies in the inode, else with others. */
	#mapLater(heldClusters: number): void {
		const inode = this.#inode;
		if (inode.has(inodeFlags.inlineData) && this.#hasInline) {
			this.#judgeInline(heldClusters);
			return;
		}
		const block = this.#firstOfMapping();
		if (block === 0) {
			this.#map(heldClusters);
			return;
		}
		this.#aside.push({inode: inode.copy(), block, extraClusters: heldClusters});
		if (this.#aside.length >= asideMax) this.#finishAside();
	}

	/** The first block of the mapping that is to be read; 0 where there is none. */
	#firstOfMapping(): number {
		const inode = this.#inode;
		if (inode.has(inodeFlags.extents)) {
			const {view, at} = inode;
			if (view.getUint16(at + 0x2e, true) === 0) return 0;
			return view.getUint16(at + 0x3c, true) * 2 ** 32 + view.getUint32(at + 0x38, true);
		}
		return inode.block(12) || inode.block(13) || inode.block(14);
	}

	#finishAside(): void {
		const aside = this.#aside.sort((a, b) => a.block - b.block);
		this.#aside = [];
		const {view, at, number} = this.#inode;
		for (const {inode, extraClusters} of aside) {
			this.#inode.view = inode.view;
			this.#inode.at = 0;
			this.#inode.number = inode.number;
			this.#map(extraClusters);
		}
		this.#inode.view = view;
		this.#inode.at = at;
		this.#inode.number = number;
	}

	#judgeInline(heldClusters: number): void {
		const inode = this.#inode;
		const size = this.#inlineSize();
		const isDirectory = inode.type === fileType.directory;
		if (size < 0) this.#tell('CHECK_INLINE_WITHOUT_ATTRIBUTE');
		// e2fsck compares those of directories only.
		else if (isDirectory && size !== inode.sizeBytes) {
			this.#tell('CHECK_INODE_SIZE', {found: inode.sizeBytes, expected: size});
		} else if (!isDirectory && inode.sizeBytes > this.#sizeMax()) {
			this.#tell('CHECK_INODE_SIZE', {found: inode.sizeBytes, expected: size});
		} else if (!isDirectory && inode.sizeBytes > size) {
			this.#tell('CHECK_INLINE_SHORT', {found: inode.sizeBytes, expected: size});
		}
		this.#checkWithoutMapping(heldClusters);
	}

	#map(heldClusters: number): void {
		const inode = this.#inode;
		const isDirectory = inode.type === fileType.directory;
		this.#mapped.begin(inode, isDirectory);
		if (this.#hasBlocks()) {
			if (inode.has(inodeFlags.extents)) this.#extents.walk(inode);
			else this.#blockMap.walk(inode);
			this.#checkSize(isDirectory);
		}
		this.#finishMapping(heldClusters);
	}

	/** Whether i_block maps blocks: devices, pipes and sockets keep other things there. */
	#hasBlocks(): boolean {
		switch (this.#inode.type) {
			case fileType.file:
			case fileType.directory:
			case fileType.symlink:
				return true;
			default:
				return this.#isReserved(); // These need no type; what else has none can't be followed.
		}
	}

	#checkSize(isDirectory: boolean): void {
		const inode = this.#inode;
		const mapped = this.#mapped;
		const blockSize = this.#blockSize;
		const size = inode.sizeBytes;
		if (inode.type === fileType.symlink || inode.number === reservedInode.badBlocks) return;
		// What an orphan has beyond its size is about to be freed.
		if (this.#state.orphans.has(inode.number)) return;
		const lengthBlocks = Math.floor(size / blockSize);
		const last = mapped.lastLogical + 1;
		if (isDirectory) {
			const isWrong =
				size % blockSize !== 0 ||
				lengthBlocks > last ||
				last - lengthBlocks > this.#preallocatedDirectoryBlocks;
			if (isWrong) this.#tell('CHECK_INODE_SIZE', {found: size, expected: last * blockSize});
			return;
		}
		if (
			mapped.lastWritten >= 0 &&
			size < mapped.lastWritten * blockSize &&
			!inode.has(inodeFlags.verity)
		) {
			const expected = (mapped.lastWritten + 1) * blockSize;
			this.#tell('CHECK_INODE_SIZE', {found: size, expected});
		} else if (size > this.#sizeMax()) {
			this.#tell('CHECK_INODE_SIZE', {found: size, expected: last * blockSize});
		}
	}

	#sizeMax(): number {
		const blockSize = this.#blockSize;
		if (this.#hasExtents && this.#inode.has(inodeFlags.extents)) return 2 ** 32 * blockSize - 1;
		const perBlock = blockSize / 4;
		return (12 + perBlock + perBlock ** 2 + perBlock ** 3) * blockSize;
	}

	/** What is counted when all blocks of an inode are known. */
	#finishMapping(heldClusters: number): void {
		const inode = this.#inode;
		const mapped = this.#mapped;
		const state = this.#state;
		const {totals} = this.#harvest;
		const isDirectory = inode.type === fileType.directory;
		if (mapped.isFragmented && mapped.clusterCount < state.geometry.blocksPerGroup) {
			if (isDirectory) totals.fragmentedDirectories++;
			else totals.fragmentedFiles++;
		}
		// A removed directory waits to be freed: what it holds counts no more.
		const isKept = inode.linkCount > 0 || inode.number === reservedInode.root;
		if (isDirectory && isKept) this.#keepDirectory();
		const isUsed = inode.linkCount > 0 || state.orphans.has(inode.number);
		let clusters = mapped.clusterCount + heldClusters;
		const xattrBlock = this.#xattrBlock();
		if (xattrBlock !== 0) {
			if (!this.#hasXattrs || !state.isBlock(xattrBlock)) {
				// Nobody reads attributes of the file system's own inodes.
				if (!this.#isReserved()) this.#tell('CHECK_INODE_XATTR_BLOCK', {found: xattrBlock});
				this.#markBad();
			} else {
				clusters++;
				this.#keepXattrBlock(xattrBlock, clusters);
			}
		}
		// Of a symbolic link within its inode nobody counts: e2fsck does not, the kernel need not.
		const isInlineSymlink = inode.type === fileType.symlink && inode.has(inodeFlags.inlineData);
		const isCounted = inode.number !== reservedInode.badBlocks && !isInlineSymlink;
		if (isCounted && (!this.#hasEaInode || xattrBlock === 0)) {
			checkBlockCount(state, inode.number, clusters, this.#storedBlocks(), inode.flags);
		}
		if (this.#hasQuota && isUsed && this.#countsForQuota()) this.#charge(clusters);
	}

	/** The files of the file system itself belong to nobody. */
	#countsForQuota(): boolean {
		const {number} = this.#inode;
		const {geometry, superblock} = this.#state;
		if (number < geometry.firstInode) return number === reservedInode.root;
		const {user, group, project} = superblock.quotaInodes;
		return ![user, group, project, superblock.orphanFileInode].includes(number);
	}

	/** The inodes that the file system keeps for itself; the root is not one of them. */
	#isReserved(): boolean {
		const {number} = this.#inode;
		const isLow = number < this.#state.geometry.firstInode;
		if (!isLow && number > this.#ownFileLast) return false;
		if (number === reservedInode.root) return false;
		return isLow || this.#ownFiles.includes(number);
	}

	#charge(clusters: number): void {
		const inode = this.#inode;
		// Values of attributes are charged to who owns them, not to the inodes that hold them.
		if (inode.has(inodeFlags.eaInode)) return;
		const {usage} = this.#harvest;
		const bytes = clusters * this.#state.geometry.clusterSize;
		addUsage(usage.user, inode.uid, bytes, 1);
		addUsage(usage.group, inode.gid, bytes, 1);
		if (this.#hasProject) addUsage(usage.project, inode.projectId, bytes, 1);
	}

	#xattrBlock(): number {
		const inode = this.#inode;
		const high = this.#has64bit && !this.#isHurd ? inode.xattrBlockHigh : 0;
		return high * 2 ** 32 + inode.xattrBlockLow;
	}

	#keepXattrBlock(block: number, clusters: number): void {
		const inode = this.#inode;
		const {xattrBlocks} = this.#harvest;
		xattrBlocks.push(block);
		xattrBlocks.push(inode.number);
		xattrBlocks.push(clusters);
		xattrBlocks.push(this.#storedBlocks());
		xattrBlocks.push(inode.flags);
		xattrBlocks.push(inode.generation);
		xattrBlocks.push(inode.uid);
		xattrBlocks.push(inode.gid);
		xattrBlocks.push(inode.projectId);
	}

	/** i_blocks in the unit it is stored in; -1 where it is not kept. */
	#storedBlocks(): number {
		const inode = this.#inode;
		if (this.#isHurd) return -1;
		return inode.blocksLow + (this.#hasHugeFile ? inode.blocksHigh * 2 ** 32 : 0);
	}

	#keepDirectory(): void {
		const inode = this.#inode;
		const {runs} = this.#mapped;
		const {directories, directoryRuns} = this.#harvest;
		const isInline = inode.has(inodeFlags.inlineData) && this.#hasInline;
		const lengthBlocks = isInline ? 0 : Math.floor(inode.sizeBytes / this.#blockSize);
		directories.push(inode.number);
		directories.push(inode.generation);
		directories.push(inode.flags);
		directories.push(Math.min(lengthBlocks, 2 ** 32 - 1));
		directories.push(runs.length / 3);
		for (const value of runs) directoryRuns.push(value);
	}
}

/** Compares i_blocks with the clusters that were counted; `stored` in the unit of the image. */
export function checkBlockCount(
	state: CheckState,
	inode: number,
	clusters: number,
	stored: number,
	flags: number,
): void {
	if (stored < 0) return;
	const {blockSize, clusterSize} = state.geometry;
	const countsBlocks = (flags & inodeFlags.hugeFile) !== 0 && state.features.has('huge_file');
	const unit = countsBlocks ? blockSize : 512;
	const expected = (clusters * clusterSize) / unit;
	if (stored !== expected) {
		state.report('CHECK_INODE_BLOCK_COUNT', {inode}, {found: stored, expected});
	}
}

function octal(mode: number): string {
	return `0${mode.toString(8)}`;
}

function isZero(view: DataView, at: number, length: number): boolean {
	for (let offset = 0; offset < length; offset += 4) {
		if (view.getUint32(at + offset, true) !== 0) return false;
	}
	return true;
}

/** Bytes before the first NUL; `length` where there is none. */
function lengthOfText(view: DataView, at: number, length: number): number {
	let count = 0;
	while (count < length && view.getUint8(at + count) !== 0) count++;
	return count;
}
