/** What the kernel knows of an inode, and what time it is for it. */
import {RecordCache} from './cache.ts';

export type Time = {readonly seconds: number; readonly nanoseconds: number};

export type Page = {readonly bytes: Uint8Array; isDirty: boolean};

export type Node = {
	readonly id: number;
	readonly inode: number;
	/** The kernel moves its data. */
	readonly isIomap: boolean;
	readonly isDirectory: boolean;
	/** Every write is waited for until it is on the medium. */
	isSynchronous: boolean;
	isImmutable: boolean;
	isAppendOnly: boolean;
	lookups: number;
	links: number;
	mode: number;
	/** What a program sees, in bytes. */
	size: number;
	/** What the server has recorded, as far as the kernel knows. */
	recordedSize: number;
	accessTime: Time;
	modificationTime: Time;
	changeTime: Time;
	timesAreDirty: boolean;
	/** It is known to have no capabilities that a write would take away. */
	hasNoCapabilities: boolean;
	/** By number; as long as a block of the file system each. */
	readonly pages: Map<number, Page>;
	readonly readCache: RecordCache;
	readonly writeCache: RecordCache;
	/** There was an upsert. */
	hasCache: boolean;
	/** There was one of a record for writing. */
	hasWriteRecords: boolean;
	/** Goes up with each change of the caches. */
	sequence: number;
};

/** The kernel's clock. It stands still but between system calls, and while it is held. */
export class Clock {
	now: Time;
	/** System calls take no time: the next happen in the same tick. */
	isHeld = false;

	constructor(seconds = 1_700_000_000) {
		this.now = {seconds, nanoseconds: 0};
	}

	tick(): void {
		if (!this.isHeld) this.now = {...this.now, seconds: this.now.seconds + 1};
	}
}

const attributeFlags = {
	exclusive: 0x4,
	iomap: 0x8,
	synchronous: 0x20,
	immutable: 0x40,
	appendOnly: 0x80,
} as const;
const typeMask = 0o170000;
const regularFile = 0o100000;
const directory = 0o040000;

function timeAt(view: DataView, seconds: number, nanoseconds: number): Time {
	return {
		seconds: Number(view.getBigInt64(seconds, true)),
		nanoseconds: view.getUint32(nanoseconds, true),
	};
}

/** A node that the kernel hears of, from the `fuse_attr` at `at`. */
export function nodeFrom(id: number, view: DataView, at: number): Node {
	const flags = view.getUint32(at + 84, true);
	const mode = view.getUint32(at + 60, true);
	const size = Number(view.getBigUint64(at + 8, true));
	const both = attributeFlags.exclusive | attributeFlags.iomap;
	return {
		...emptyNode(id, Number(view.getBigUint64(at, true))),
		isIomap: (mode & typeMask) === regularFile && (flags & both) === both,
		isDirectory: (mode & typeMask) === directory,
		isSynchronous: (flags & attributeFlags.synchronous) !== 0,
		isImmutable: (flags & attributeFlags.immutable) !== 0,
		isAppendOnly: (flags & attributeFlags.appendOnly) !== 0,
		links: view.getUint32(at + 64, true),
		mode,
		size,
		recordedSize: size,
		accessTime: timeAt(view, at + 24, at + 48),
		modificationTime: timeAt(view, at + 32, at + 52),
		changeTime: timeAt(view, at + 40, at + 56),
	};
}

/**
 * The kernel hears again of the attributes of a node that it knows. It takes the size that a program
 * sees for the one that is recorded, whatever it was told, and does not say of writes inside that that
 * the file has grown.
 */
export function heardAgain(node: Node): void {
	if (node.isIomap) node.recordedSize = node.size;
	// Somebody else may have given it some.
	node.hasNoCapabilities = false;
}

/** The root is there before anything was asked of it. */
export function emptyNode(id: number, inode: number): Node {
	const never = {seconds: 0, nanoseconds: 0};
	return {
		id,
		inode,
		isIomap: false,
		isDirectory: true,
		isSynchronous: false,
		isImmutable: false,
		isAppendOnly: false,
		lookups: 1,
		links: 2,
		mode: directory,
		size: 0,
		recordedSize: 0,
		accessTime: never,
		modificationTime: never,
		changeTime: never,
		timesAreDirty: false,
		hasNoCapabilities: false,
		pages: new Map(),
		readCache: new RecordCache(),
		writeCache: new RecordCache(),
		hasCache: false,
		hasWriteRecords: false,
		sequence: 0,
	};
}
