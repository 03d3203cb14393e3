/**
 * Where an inode's contents lie, and what they take: its tree or map is walked, size and block count
 * are compared with it, owners are charged. Mappings that lead to blocks are put aside and walked in
 * the order of the disk.
 */
import {inodeFlags, reservedInode} from '../layout/inode.ts';
import {checkBlockCount} from './block-count.ts';
import {BlockMapWalker} from './block-map.ts';
import {ExtentWalker} from './extents.ts';
import {addUsage} from './harvest.ts';
import type {InodeAttributes} from './inode-attributes.ts';
import type {InodeBytes} from './inode-bytes.ts';
import {fileType, type InodeContext} from './inode-context.ts';
import {Mapped} from './mapped.ts';

/** Inodes put aside before they are looked at; a few hundred bytes each. */
const asideMax = 4096;

/** An inode put aside, and the first block it leads to. */
type Aside = {readonly inode: InodeBytes; readonly block: number; readonly heldClusters: number};

export class InodeMapping {
	readonly #context: InodeContext;
	readonly #attributes: InodeAttributes;
	readonly #mapped: Mapped;
	readonly #extents: ExtentWalker;
	readonly #blockMap: BlockMapWalker;
	#aside: Aside[] = [];

	constructor(context: InodeContext, attributes: InodeAttributes) {
		this.#context = context;
		this.#attributes = attributes;
		this.#mapped = new Mapped(context.state, context.inode);
		this.#extents = new ExtentWalker(context.state, this.#mapped);
		this.#blockMap = new BlockMapWalker(context.state, this.#mapped);
	}

	/**
	 * Looks at the mapping of the inode now where all of it lies in the inode, else with others.
	 * `heldClusters`: what the values of its attributes take in inodes of their own.
	 */
	check(heldClusters: number): void {
		const {inode, hasInline} = this.#context;
		if (inode.has(inodeFlags.inlineData) && hasInline) {
			this.#checkInline(heldClusters);
			return;
		}
		const block = this.#firstBlock();
		if (block === 0) {
			this.#walk(heldClusters);
			return;
		}
		this.#aside.push({inode: inode.copy(), block, heldClusters});
		if (this.#aside.length >= asideMax) this.finishAside();
	}

	/** An inode whose contents lie in itself; attributes may take blocks all the same. */
	checkWithout(heldClusters: number): void {
		const {inode} = this.#context;
		this.#mapped.begin(inode, inode.type === fileType.directory);
		this.#finish(heldClusters);
	}

	/** Looks at what was put aside. */
	finishAside(): void {
		const aside = this.#aside.sort((a, b) => a.block - b.block);
		this.#aside = [];
		const current = this.#context.inode;
		const {view, at, number} = current;
		for (const {inode, heldClusters} of aside) {
			current.view = inode.view;
			current.at = 0;
			current.number = inode.number;
			this.#walk(heldClusters);
		}
		current.view = view;
		current.at = at;
		current.number = number;
	}

	/** The first block of the mapping that is to be read; 0 where there is none. */
	#firstBlock(): number {
		const {inode} = this.#context;
		if (inode.has(inodeFlags.extents)) {
			const {view, at} = inode;
			if (view.getUint16(at + 0x2e, true) === 0) return 0;
			return view.getUint16(at + 0x3c, true) * 2 ** 32 + view.getUint32(at + 0x38, true);
		}
		return inode.block(12) || inode.block(13) || inode.block(14);
	}

	#checkInline(heldClusters: number): void {
		const {inode} = this.#context;
		const size = this.#attributes.inlineSize();
		const isDirectory = inode.type === fileType.directory;
		if (size < 0) this.#context.tell('CHECK_INLINE_WITHOUT_ATTRIBUTE');
		// Other files may be longer, and read as zeros behind.
		else if (isDirectory && size !== inode.sizeBytes) {
			this.#context.tell('CHECK_INODE_SIZE', {found: inode.sizeBytes, expected: size});
		} else if (!isDirectory && inode.sizeBytes > this.#sizeMax()) {
			this.#context.tell('CHECK_INODE_SIZE', {found: inode.sizeBytes, expected: size});
		}
		this.checkWithout(heldClusters);
	}

	#walk(heldClusters: number): void {
		const {inode} = this.#context;
		const isDirectory = inode.type === fileType.directory;
		this.#mapped.begin(inode, isDirectory);
		if (this.#hasBlocks()) {
			if (inode.has(inodeFlags.extents)) this.#extents.walk(inode);
			else this.#blockMap.walk(inode);
			this.#checkSize(isDirectory);
		}
		this.#finish(heldClusters);
	}

	/** Whether i_block maps blocks: devices, pipes and sockets keep other things there. */
	#hasBlocks(): boolean {
		switch (this.#context.inode.type) {
			case fileType.file:
			case fileType.directory:
			case fileType.symlink:
				return true;
			default:
				return this.#context.isReserved(); // These need no type; what else has none can't be followed.
		}
	}

	#checkSize(isDirectory: boolean): void {
		const {inode, state, blockSize} = this.#context;
		const mapped = this.#mapped;
		const size = inode.sizeBytes;
		if (inode.type === fileType.symlink || inode.number === reservedInode.badBlocks) return;
		// What an orphan has beyond its size is about to be freed.
		if (state.orphans.has(inode.number)) return;
		const lengthBlocks = Math.floor(size / blockSize);
		const last = mapped.lastLogical + 1;
		if (isDirectory) {
			const isWrong =
				size % blockSize !== 0 ||
				lengthBlocks > last ||
				last - lengthBlocks > this.#context.preallocatedDirectoryBlocks;
			if (isWrong) {
				this.#context.tell('CHECK_INODE_SIZE', {found: size, expected: last * blockSize});
			}
			return;
		}
		if (
			mapped.lastWritten >= 0 &&
			size < mapped.lastWritten * blockSize &&
			!inode.has(inodeFlags.verity)
		) {
			const expected = (mapped.lastWritten + 1) * blockSize;
			this.#context.tell('CHECK_INODE_SIZE', {found: size, expected});
		} else if (size > this.#sizeMax()) {
			this.#context.tell('CHECK_INODE_SIZE', {found: size, expected: last * blockSize});
		}
	}

	#sizeMax(): number {
		const {blockSize, hasExtents, inode} = this.#context;
		if (hasExtents && inode.has(inodeFlags.extents)) return 2 ** 32 * blockSize - 1;
		const perBlock = blockSize / 4;
		return (12 + perBlock + perBlock ** 2 + perBlock ** 3) * blockSize;
	}

	/** What is counted when all blocks of an inode are known. */
	#finish(heldClusters: number): void {
		const {inode, state, harvest} = this.#context;
		const mapped = this.#mapped;
		const {totals} = harvest;
		const isDirectory = inode.type === fileType.directory;
		const isShort = mapped.clusterCount < state.geometry.blocksPerGroup;
		// The list of bad blocks is no file that lies somewhere.
		if (mapped.isFragmented && isShort && inode.number !== reservedInode.badBlocks) {
			if (isDirectory) totals.fragmentedDirectories++;
			else totals.fragmentedFiles++;
		}
		// A removed directory waits to be freed: what it holds counts no more.
		const isKept = inode.linkCount > 0 || inode.number === reservedInode.root;
		if (isDirectory && isKept) this.#keepDirectory();
		const isUsed = inode.linkCount > 0 || state.orphans.has(inode.number);
		let clusters = mapped.clusterCount + heldClusters;
		const xattrBlock = this.#context.xattrBlock();
		if (xattrBlock !== 0) {
			if (!this.#context.hasXattrs || !state.isBlock(xattrBlock)) {
				// Nobody reads attributes of the file system's own inodes.
				if (!this.#context.isReserved()) {
					this.#context.tell('CHECK_INODE_XATTR_BLOCK', {found: xattrBlock});
				}
				this.#context.markBad();
			} else {
				clusters++;
				this.#attributes.keepBlock(xattrBlock, clusters);
			}
		}
		// Of a symbolic link within its inode nobody counts: e2fsck does not, the kernel need not.
		const isInlineSymlink = inode.type === fileType.symlink && inode.has(inodeFlags.inlineData);
		const isCounted = inode.number !== reservedInode.badBlocks && !isInlineSymlink;
		if (isCounted && (!this.#context.hasEaInode || xattrBlock === 0)) {
			const stored = this.#context.storedBlocks();
			checkBlockCount(state, inode.number, clusters, stored, inode.flags);
		}
		if (this.#context.hasQuota && isUsed && this.#countsForQuota()) this.#charge(clusters);
	}

	/** The files of the file system itself belong to nobody. */
	#countsForQuota(): boolean {
		const {number} = this.#context.inode;
		const {geometry, superblock} = this.#context.state;
		if (number < geometry.firstInode) return number === reservedInode.root;
		const {user, group, project} = superblock.quotaInodes;
		return ![user, group, project, superblock.orphanFileInode].includes(number);
	}

	#charge(clusters: number): void {
		const {inode, state, harvest, hasProject} = this.#context;
		// Values of attributes are charged to who owns them, not to the inodes that hold them.
		if (inode.has(inodeFlags.eaInode)) return;
		const {usage} = harvest;
		const bytes = clusters * state.geometry.clusterSize;
		addUsage(usage.user, inode.uid, bytes, 1);
		addUsage(usage.group, inode.gid, bytes, 1);
		if (hasProject) addUsage(usage.project, inode.projectId, bytes, 1);
	}

	#keepDirectory(): void {
		const {inode, harvest, hasInline, blockSize} = this.#context;
		const {runs} = this.#mapped;
		const {directories, directoryRuns} = harvest;
		const isInline = inode.has(inodeFlags.inlineData) && hasInline;
		const lengthBlocks = isInline ? 0 : Math.floor(inode.sizeBytes / blockSize);
		directories.push(inode.number);
		directories.push(inode.generation);
		directories.push(inode.flags);
		directories.push(Math.min(lengthBlocks, 2 ** 32 - 1));
		directories.push(runs.length / 3);
		for (const value of runs) directoryRuns.push(value);
	}
}
