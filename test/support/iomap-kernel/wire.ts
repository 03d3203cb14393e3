/**
 * What goes over the wire of FUSE iomap, version 7, from the kernel's side: written down a second
 * time, from the description of what a running kernel was seen to send, and not from `iomap/`, so
 * that an error there is not made here as well.
 */
export const beginOps = {
	write: 0x1,
	zero: 0x2,
	report: 0x4,
	fault: 0x8,
	direct: 0x10,
	noWait: 0x20,
	overwriteOnly: 0x40,
	unshare: 0x80,
	atomic: 0x200,
	swapFile: 0x4000_0000,
	writeback: 0x8000_0000,
} as const;

/** In the order in which traces name them. */
export const ioendFlags = {
	direct: 0x8,
	shared: 0x1,
	writeback: 0x20,
	unwritten: 0x2,
	boundary: 0x4,
	append: 0x10,
	swapOff: 0x40,
} as const;

/** Flags of a mapping that a server may set. */
export const recordFlags = {new: 0x1, dirty: 0x2, shared: 0x4} as const;

/** Of the mapping in END alone. */
export const endFlags = {sizeChanged: 0x100} as const;

/** The flags of a request by their names, as a trace shows them. */
export function namesOf(names: {readonly [name: string]: number}, flags: number): string {
	const set = Object.entries(names).filter(([, bit]) => (flags & bit) !== 0);
	return set.map(([name]) => name.toUpperCase()).join('|');
}

export const types = {
	hole: 0,
	delalloc: 1,
	mapped: 2,
	unwritten: 3,
	inline: 4,
	noCache: 253,
	retryCache: 254,
	pureOverwrite: 255,
} as const;

export const noAddress = 0xffff_ffff_ffff_ffffn;

/** A mapping record as it travels. */
export type WireRecord = {
	readonly offset: bigint;
	readonly length: bigint;
	readonly address: bigint;
	readonly type: number;
	readonly flags: number;
	readonly device: number;
};

export function readRecord(view: DataView, at: number): WireRecord {
	return {
		offset: view.getBigUint64(at, true),
		length: view.getBigUint64(at + 8, true),
		address: view.getBigUint64(at + 16, true),
		type: view.getUint16(at + 24, true),
		flags: view.getUint16(at + 26, true),
		device: view.getUint32(at + 28, true),
	};
}

export function writeRecord(view: DataView, at: number, record: WireRecord): void {
	view.setBigUint64(at, record.offset, true);
	view.setBigUint64(at + 8, record.length, true);
	view.setBigUint64(at + 16, record.address, true);
	view.setUint16(at + 24, record.type, true);
	view.setUint16(at + 26, record.flags, true);
	view.setUint32(at + 28, record.device, true);
}

/** A system call that failed. */
export class KernelError extends Error {
	override readonly name = 'KernelError';
	readonly errno: number;

	constructor(errno: number, why: string) {
		super(`errno ${errno}: ${why}`);
		this.errno = errno;
	}
}

export const errnos = {
	EPERM: 1,
	ENOENT: 2,
	EIO: 5,
	EAGAIN: 11,
	EEXIST: 17,
	ENODEV: 19,
	EINVAL: 22,
	EFBIG: 27,
	ENOSPC: 28,
	ENOSYS: 38,
	EOPNOTSUPP: 95,
	ESTALE: 116,
	EUCLEAN: 117,
} as const;
