/**
 * What the passes share, and who fills what:
 *
 * | | filled by | read by |
 * | --- | --- | --- |
 * | `superblock`, `descriptors`, `groupProblems` | opening, pass 0 | all |
 * | `claims` | 0 (fixed metadata), 1 (all else) | 1, 5 |
 * | `inodes`: types, flags, link counts | 1 | 2 to 5 |
 * | `inodes.references` | 2, mended by 3 | 4 |
 * | `directories` | 1; `parents`, `dotDots` by 2 | 2, 3, paths |
 * | `valueReferences` | 1 | 4 |
 * | `policies` | 1 | 2 |
 * | `usage` | 1 | quota |
 * | `orphans` | 0 | 1, 4 |
 * | `totals` | 1 | the summary |
 *
 * All that grows with the image lies in shared memory, so that workers can fill it: `share` gives
 * what a worker needs to work on the same state. Findings, progress and what was given up go
 * through the state as well; none of its calls throws for what an image or a device says.
 */
import type {BlockDevice} from '../device.ts';
import {DeviceError} from '../errors.ts';
import type {Features} from '../layout/features.ts';
import {decodeGroup, type Group} from '../layout/group.ts';
import type {Geometry} from '../layout/superblock.ts';
import type {Superblock} from '../superblock.ts';
import {BlockClaims, type SharedBlockClaims} from './block-claims.ts';
import type {FindingCode} from './codes.ts';
import {DirectoryTable} from './directory-table.ts';
import {
	type Finding,
	type FindingPlace,
	type FindingRanges,
	type FindingValues,
	makeFinding,
	type PassName,
} from './finding.ts';
import {FindingQueue} from './finding-queue.ts';
import {InodeFacts, type SharedInodeFacts} from './inode-facts.ts';

/** Bits of `groupProblems`: what of a group's descriptor is not to be used. */
export const groupProblem = {
	/** Its checksum is wrong: flags and counts of what was never used do not hold. */
	checksum: 0x1,
	blockBitmap: 0x2,
	inodeBitmap: 0x4,
	inodeTable: 0x8,
} as const;

/** What an owner uses, as quotas count. */
export type Usage = {bytes: number; inodes: number};

export type UsageKind = 'user' | 'group' | 'project';

/** For the summary; files are all inodes in use, whatever their type. */
export type Totals = {
	files: number;
	directories: number;
	/** Regular files and directories that lie in more than one piece. */
	fragmentedFiles: number;
	fragmentedDirectories: number;
	regularFiles: number;
	symlinks: number;
	fastSymlinks: number;
	characterDevices: number;
	blockDevices: number;
	fifos: number;
	sockets: number;
};

export function noTotals(): Totals {
	return {
		files: 0,
		directories: 0,
		fragmentedFiles: 0,
		fragmentedDirectories: 0,
		regularFiles: 0,
		symlinks: 0,
		fastSymlinks: 0,
		characterDevices: 0,
		blockDevices: 0,
		fifos: 0,
		sockets: 0,
	};
}

/** What a worker is given, by structured clone; see `CheckState.share`. */
export type SharedState = {
	readonly superblockBytes: Uint8Array;
	readonly descriptors: SharedArrayBuffer;
	readonly groupProblems: SharedArrayBuffer;
	readonly claims: SharedBlockClaims;
	readonly inodes: SharedInodeFacts;
	readonly orphans: readonly number[];
};

export type Progress = {
	readonly pass: PassName;
	/** Of `total`, in whatever the pass counts; both only good for a proportion. */
	readonly done: number;
	readonly total: number;
};

/** A pass, or a part of one, that was not finished. */
export type GivenUp = {readonly pass: PassName; readonly why: string};

/** Blocks of mappings that are looked into again. */
const repeatsMax = 100_000;

export type StateParts = {
	readonly device: BlockDevice;
	readonly superblock: Superblock;
	/** The table of group descriptors, in order, each `geometry.descriptorSize` bytes. */
	readonly descriptors: SharedArrayBuffer;
	/** A byte a group: bits of `groupProblem`. */
	readonly groupProblems: SharedArrayBuffer;
};

export class CheckState {
	/** Reads as if the journal had been replayed. */
	readonly device: BlockDevice;
	readonly superblock: Superblock;
	readonly descriptors: Uint8Array<SharedArrayBuffer>;
	readonly #descriptorView: DataView<SharedArrayBuffer>;
	readonly groupProblems: Uint8Array<SharedArrayBuffer>;
	readonly claims: BlockClaims;
	inodes: InodeFacts;
	directories = new DirectoryTable([]);
	/** How many attributes name each inode as the holder of their value. */
	readonly valueReferences = new Map<number, number>();
	/** The policy of each encrypted inode, by slot; empty where none is encrypted. */
	policies: Uint32Array = new Uint32Array(0);
	/** By owner; only where the image keeps quotas. */
	readonly usage: {readonly [kind in UsageKind]: Map<number, Usage>} = {
		user: new Map(),
		group: new Map(),
		project: new Map(),
	};
	/** Inodes that the list or the file of orphans names. */
	readonly orphans: Set<number>;
	readonly totals = noTotals();
	readonly givenUp: GivenUp[] = [];
	/** The pass that findings and progress belong to; the driver sets it. */
	pass: PassName = 'volume';

	readonly #findingsMax: number;
	readonly #queue = new FindingQueue();
	/** Findings by code, each for itself, those that were only counted too. */
	readonly counts = new Map<FindingCode, number>();
	#madeCount = 0;
	/** The block of an inode table that was read last: the next inode often lies there too. */
	readonly #inodeBlock: Uint8Array;
	#inodeBlockNumber = -1;
	#repeatsLeft = repeatsMax;
	#progress: Progress = {pass: 'volume', done: 0, total: 0};

	/** `findingsMax`: after so many, findings are only counted. */
	constructor(parts: StateParts, findingsMax: number, shared?: SharedState) {
		this.device = parts.device;
		this.superblock = parts.superblock;
		this.descriptors = new Uint8Array(parts.descriptors);
		this.#descriptorView = new DataView(parts.descriptors);
		this.groupProblems = new Uint8Array(parts.groupProblems);
		this.#findingsMax = findingsMax;
		this.#inodeBlock = new Uint8Array(parts.superblock.geometry.blockSize);
		this.orphans = new Set(shared?.orphans);
		this.claims = new BlockClaims(this.geometry, shared?.claims);
		this.inodes = new InodeFacts(this.geometry, shared?.inodes ?? new Uint32Array(0));
	}

	/** Bytes taken for what grows with the image. */
	memoryBytes(): number {
		const {words, twice} = this.claims;
		return (
			words.byteLength +
			twice.byteLength +
			this.inodes.slotCount * 6 +
			this.policies.byteLength +
			this.descriptors.byteLength +
			this.directories.sizeBytes
		);
	}

	share(): SharedState {
		return {
			superblockBytes: new Uint8Array(this.superblock.view.buffer).slice(),
			descriptors: this.descriptors.buffer,
			groupProblems: this.groupProblems.buffer,
			claims: this.claims.share(),
			inodes: this.inodes.share(),
			orphans: [...this.orphans],
		};
	}

	get geometry(): Geometry {
		return this.superblock.geometry;
	}

	get features(): Features {
		return this.superblock.features;
	}

	/** The descriptor of a group, as it is; `groupProblems` says what of it is not to be used. */
	group(index: number): Group {
		const size = this.geometry.descriptorSize;
		return decodeGroup(index, this.#descriptorView, index * size, size >= 64);
	}

	/** Whether a block lies in the file system, behind its first: what files and bitmaps may name. */
	isBlock(block: number): boolean {
		return block > this.geometry.firstDataBlock && block < this.geometry.blockCount;
	}

	/** Reports a finding in the running pass. */
	report(
		code: FindingCode,
		place: FindingPlace,
		values: FindingValues = {},
		ranges?: FindingRanges,
	): void {
		this.#count(code, 1);
		this.#keep(makeFinding(this.pass, code, place, values, ranges));
	}

	/** Takes over what a worker found, and has counted by code. */
	adopt(findings: readonly Finding[], counts: ReadonlyMap<FindingCode, number>): void {
		for (const [code, count] of counts) this.#count(code, count);
		for (const finding of findings) this.#keep(finding);
	}

	#count(code: FindingCode, count: number): void {
		this.counts.set(code, (this.counts.get(code) ?? 0) + count);
	}

	#keep(finding: Finding): void {
		if (this.#queue.join(finding)) return;
		if (this.#madeCount >= this.#findingsMax) return;
		this.#madeCount++;
		this.#queue.push(finding);
	}

	/** What was reported since the last call and is complete; at the end of a pass, all. For the driver. */
	takeFindings(isEndOfPass: boolean): Finding[] {
		return this.#queue.take(isEndOfPass);
	}

	/** How far the running pass has come. The driver passes it on when the pass yields. */
	setProgress(done: number, total: number): void {
		this.#progress = {pass: this.pass, done, total};
	}

	get progress(): Progress {
		return this.#progress;
	}

	/** Notes that the running pass, or a part of it, is not finished, and why: one sentence. */
	giveUp(why: string): void {
		this.givenUp.push({pass: this.pass, why});
	}

	/**
	 * Whether a block of a mapping may be looked into that was looked into before: false after so
	 * many, as a few blocks can be made to lead to each other a million times.
	 */
	mayRepeat(): boolean {
		if (this.#repeatsLeft > 0) {
			this.#repeatsLeft--;
			return true;
		}
		if (this.#repeatsLeft === 0) {
			this.#repeatsLeft = -1;
			this.giveUp(`more than ${repeatsMax} blocks of mappings belong to several files`);
		}
		return false;
	}

	/**
	 * Fills `into` from block `first` on. False where the device does not give it all: that is
	 * reported, at the first block that fails, and bytes that could not be had are zeros.
	 */
	readBlocks(first: number, into: Uint8Array): boolean {
		const {blockSize} = this.geometry;
		const failure = this.tryRead(first * blockSize, into);
		if (failure === undefined) return true;
		// One bad block must not hide its neighbours.
		for (let at = 0; at < into.length; at += blockSize) {
			const part = into.subarray(at, at + blockSize);
			const why = this.tryRead(first * blockSize + at, part);
			if (why === undefined) continue;
			part.fill(0);
			this.report('CHECK_BLOCK_UNREADABLE', {block: first + at / blockSize}, {found: why});
		}
		return false;
	}

	/**
	 * The bytes of an inode as they lie in its group's table, `inodeSize` of them, copied; undefined
	 * where there is no such inode or its table can't be read. Passes that need many of them read
	 * the tables in order instead.
	 */
	readInode(number: number): DataView<ArrayBuffer> | undefined {
		const {inodeCount, inodesPerGroup, inodeSize, blockSize} = this.geometry;
		if (number < 1 || number > inodeCount) return undefined;
		const group = Math.floor((number - 1) / inodesPerGroup);
		if (((this.groupProblems[group] ?? 0) & groupProblem.inodeTable) !== 0) return undefined;
		const position = ((number - 1) % inodesPerGroup) * inodeSize;
		const block = this.group(group).inodeTable + Math.floor(position / blockSize);
		const bytes = this.#inodeBlock;
		if (block !== this.#inodeBlockNumber) {
			this.#inodeBlockNumber = -1;
			if (!this.readBlocks(block, bytes)) return undefined;
			this.#inodeBlockNumber = block;
		}
		const at = position % blockSize;
		return new DataView(bytes.slice(at, at + inodeSize).buffer);
	}

	/** Fills `into` from byte `position` on; where the device does not give it all, why, and nothing is reported. */
	tryRead(position: number, into: Uint8Array): string | undefined {
		try {
			// The device's own words would name each place, and no two blocks would fail alike.
			if (position + into.length > this.device.sizeBytes) return 'the device ends before it does';
			this.device.read(position, into);
			return undefined;
		} catch (error) {
			if (error instanceof DeviceError) return error.message;
			throw error;
		}
	}
}
