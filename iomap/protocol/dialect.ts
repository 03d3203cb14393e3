/**
 * FUSE iomap in our own words. Its ABI is not merged into Linux and will change: so what numbers
 * and structures a kernel speaks is in one object for each version of it, a dialect, and everything
 * else is written against the types here. `docs/iomap.md` tells what the messages are for.
 */
import type {Mapping} from '../mapping.ts';
import type {Layout} from './wire.ts';

/** What the kernel wants to do with a mapping. `swap`: read it and rely on it for ever. */
export type Purpose = 'read' | 'write' | 'zero' | 'unshare' | 'writeback' | 'report' | 'swap';

/** Where does this range of a file lie? Positions and lengths in bytes, not aligned. */
export type BeginQuestion = {
	readonly inode: number;
	readonly position: number;
	readonly length: number;
	readonly purpose: Purpose;
	/** The device is read or written at once, past the page cache. */
	readonly isDirect: boolean;
	/** EAGAIN rather than wait for anything. */
	readonly mustNotWait: boolean;
	/** EAGAIN rather than allocate. */
	readonly isOverwriteOnly: boolean;
	/** The device is to write all or nothing of it. */
	readonly isAtomic: boolean;
};

/**
 * A mapping that covers the position, in whole blocks; for ext4, which writes in place, what is
 * written goes where it is read from.
 */
export type BeginAnswer = Mapping;

/** The kernel is done with a range, of which it has written so many bytes. */
export type EndNotice = {
	readonly inode: number;
	readonly position: number;
	readonly length: number;
	readonly written: number;
};

/** What the kernel wrote has reached the device. Positions and lengths in bytes, not aligned. */
export type IoendNotice = {
	readonly inode: number;
	readonly position: number;
	readonly written: number;
	/** 0, or the errno that the device gave. */
	readonly error: number;
	readonly isUnwritten: boolean;
	readonly isAppend: boolean;
	readonly isDirect: boolean;
	readonly isShared: boolean;
	readonly isSwapOff: boolean;
};

/** What the kernel is told of the file system once, before it asks anything else. */
export type Config = {
	/** Names it in the kernel's messages; at most 31 bytes of ASCII count. */
	readonly name: string;
	readonly uuid: Uint8Array;
	/** The unit of all mappings, in bytes. */
	readonly blockSize: number;
	/** Bytes that a file can have. */
	readonly sizeBytesMax: number;
	readonly linksMax: number;
	/** In nanoseconds. */
	readonly timeGranularity: number;
	/** In seconds since 1970. */
	readonly timeMin: number;
	readonly timeMax: number;
	/** Bound of the kernel's memory for mappings of one file. */
	readonly cacheBytes: number;
};

export type DialectName = 'v7-2026-02';

/** A request of the dialect: which opcode it has, and how its payload and that of its reply look. */
export type DialectOperation = {
	readonly opcode: number;
	readonly request?: Layout;
	readonly requestBytesMin?: number;
	readonly reply: Layout | 'empty';
};

export type Dialect = {
	readonly name: DialectName;
	/** The bit of INIT that offers and accepts it. */
	readonly initBit: number;
	/** The minor version of the protocol that the answer to INIT must say. */
	readonly minor: number;
	/** `fuse_attr.flags`. */
	readonly attributeFlags: {
		readonly exclusive: number;
		readonly iomap: number;
		readonly synchronous: number;
		readonly immutable: number;
		readonly appendOnly: number;
	};
	/** Numbers of ioctls on /dev/fuse. */
	readonly ioctls: {readonly openDevice: number; readonly setNoFs: number};
	readonly operations: {
		readonly config: DialectOperation;
		readonly begin: DialectOperation;
		readonly end: DialectOperation;
		readonly ioend: DialectOperation;
		readonly freeze: DialectOperation;
		readonly unfreeze: DialectOperation;
		readonly shutdown: DialectOperation;
	};
	/** The argument of `ioctls.openDevice`; the call returns the device's number. */
	openDevice(descriptor: number): Uint8Array;
	/** The argument of `ioctls.setNoFs`. */
	setNoFs(isOn: boolean): Uint8Array;

	// Of a request: `at` is where its payload starts.
	readBegin(view: DataView, at: number): BeginQuestion;
	readEnd(view: DataView, at: number): EndNotice;
	readIoend(view: DataView, at: number): IoendNotice;

	// Into a reply that holds zeros: they return the payload's length in bytes.
	writeConfig(view: DataView, at: number, config: Config): number;
	/** `device` is the number that `openDevice` gave. */
	writeBegin(view: DataView, at: number, answer: BeginAnswer, device: number): number;
	/** `sizeBytes`: the size of the file as it is recorded now. */
	writeIoend(view: DataView, at: number, sizeBytes: number): number;

	/**
	 * The message that puts a mapping into the kernel's cache, without its header: how it reads, and
	 * how it is written, too.
	 */
	upsert(node: number, inode: number, mapping: Mapping, device: number): Notification;
	/** The message that takes the range `[from, to)` out of the cache; in whole blocks of bytes. */
	invalidate(node: number, inode: number, from: number, to: number | 'end'): Notification;
};

export type Notification = {readonly code: number; readonly payload: Uint8Array};
