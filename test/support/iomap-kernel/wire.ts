/**
 * What goes over the wire of FUSE iomap, version 7, from the kernel's side: written down a second
 * time, from the description of what a running kernel was seen to send, and not from `iomap/`, so
 * that an error there is not made here as well.
 */
export const opcodes = {begin: 4094, end: 4095, ioend: 4093, config: 4092, freeze: 4089} as const;

export const beginOps = {
	write: 0x1,
	zero: 0x2,
	report: 0x4,
	fault: 0x8,
	direct: 0x10,
	noWait: 0x20,
	overwriteOnly: 0x40,
	atomic: 0x200,
	swapFile: 0x4000_0000,
	writeback: 0x8000_0000,
} as const;

export const ioendFlags = {
	shared: 0x1,
	unwritten: 0x2,
	direct: 0x8,
	append: 0x10,
	writeback: 0x20,
	swapOff: 0x40,
} as const;

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

export const recordBytes = 32;
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
	EIO: 5,
	EAGAIN: 11,
	EINVAL: 22,
	ENOSPC: 28,
	ENOSYS: 38,
	EOPNOTSUPP: 95,
	ESTALE: 116,
	EUCLEAN: 117,
} as const;
