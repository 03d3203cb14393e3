/**
 * The dialect of the patch set "fuse: containerize ext4", version 7, of February 2026. All numbers
 * are its author's experimental ones. Names are those of its headers.
 */
import type {Mapping} from '../mapping.ts';
import type {
	BeginQuestion,
	Config,
	Dialect,
	IoendNotice,
	Notification,
	Purpose,
} from './dialect.ts';
import {layout, readU64, writeU64} from './wire.ts';

const record = layout('fuse_iomap_io', 32, {
	offset: [0, 'u64'],
	length: [8, 'u64'],
	addr: [16, 'u64'],
	type: [24, 'u16'],
	flags: [26, 'u16'],
	dev: [28, 'u32'],
});

const beginIn = layout('fuse_iomap_begin_in', 32, {
	opflags: [0, 'u32'],
	reserved: [4, 'u32'],
	attr_ino: [8, 'u64'],
	pos: [16, 'u64'],
	count: [24, 'u64'],
});

const beginOut = layout('fuse_iomap_begin_out', 64, {read: [0, record], write: [32, record]});

const endIn = layout('fuse_iomap_end_in', 72, {
	opflags: [0, 'u32'],
	reserved: [4, 'u32'],
	attr_ino: [8, 'u64'],
	pos: [16, 'u64'],
	count: [24, 'u64'],
	written: [32, 'i64'],
	map: [40, record],
});

const ioendIn = layout('fuse_iomap_ioend_in', 48, {
	flags: [0, 'u32'],
	error: [4, 'i32'],
	attr_ino: [8, 'u64'],
	pos: [16, 'u64'],
	new_addr: [24, 'u64'],
	written: [32, 'u64'],
	dev: [40, 'u32'],
	pad: [44, 'u32'],
});

const ioendOut = layout('fuse_iomap_ioend_out', 8, {newsize: [0, 'u64']});

const configIn = layout('fuse_iomap_config_in', 64, {
	flags: [0, 'u64'],
	maxbytes: [8, 'i64'],
	cache_maxbytes: [16, 'u32'],
});

const configOut = layout('fuse_iomap_config_out', 104, {
	flags: [0, 'u64'],
	// 32 bytes from here: s_id.
	s_id: [8, 'u64'],
	// 16 bytes from here: s_uuid.
	s_uuid: [40, 'u64'],
	s_uuid_len: [56, 'u8'],
	s_blocksize: [60, 'u32'],
	s_max_links: [64, 'u32'],
	s_time_gran: [68, 'u32'],
	s_time_min: [72, 'i64'],
	s_time_max: [80, 'i64'],
	s_maxbytes: [88, 'u64'],
	cache_maxbytes: [96, 'u32'],
	pad: [100, 'u32'],
});

const freezeIn = layout('fuse_freeze_fs_in', 8, {unlinked: [0, 'u64']});
const shutdownIn = layout('fuse_shutdown_fs_in', 8, {flags: [0, 'u64']});

const upsertOut = layout('fuse_iomap_upsert_mappings_out', 80, {
	nodeid: [0, 'u64'],
	attr_ino: [8, 'u64'],
	read: [16, record],
	write: [48, record],
});

const invalidateOut = layout('fuse_iomap_inval_mappings_out', 48, {
	nodeid: [0, 'u64'],
	attr_ino: [8, 'u64'],
	read_off: [16, 'u64'],
	read_len: [24, 'u64'],
	write_off: [32, 'u64'],
	write_len: [40, 'u64'],
});

/** FUSE_IOMAP_TYPE_*. */
const types = {
	hole: 0,
	mapped: 2,
	unwritten: 3,
	inline: 4,
	noCache: 253,
	pureOverwrite: 255,
} as const;

/**
 * FUSE_IOMAP_F_SHARED: written out of place, of which the kernel always tells the end. Ours are not;
 * the place that is said is the one that is written to, too.
 */
const flagShared = 0x4;

/** FUSE_IOMAP_OP_*. */
const op = {
	write: 0x1,
	zero: 0x2,
	report: 0x4,
	direct: 0x10,
	noWait: 0x20,
	overwriteOnly: 0x40,
	unshare: 0x80,
	atomic: 0x200,
	swapFile: 0x4000_0000,
	writeback: 0x8000_0000,
} as const;

/** FUSE_IOMAP_IOEND_*. */
const ioend = {
	shared: 0x1,
	unwritten: 0x2,
	direct: 0x8,
	append: 0x10,
	swapOff: 0x40,
} as const;

/** FUSE_IOMAP_CONFIG_*: which fields of the answer count. */
const configFlags = {
	id: 0x1,
	uuid: 0x2,
	blockSize: 0x4,
	maxLinks: 0x8,
	time: 0x10,
	maxBytes: 0x20,
	cacheMaxBytes: 0x40,
} as const;
const configAll = Object.values(configFlags).reduce<number>((all, bit) => all | bit, 0);
const idBytesMax = 31;

/** Stands for no address, and for a length up to the end. */
const allOnes = -1;
const noDevice = 0;

const notifyCodes = {upsert: 100, invalidate: 101} as const;
/** FUSE_BACKING_IOMAP: the kind of what is opened. */
const iomapDevice = 1;

function has(flags: number, bit: number): boolean {
	return (flags & bit) !== 0;
}

// In this order: the kernel sets WRITE beside FAULT, but the others alone.
const purposes: readonly (readonly [bit: number, purpose: Purpose])[] = [
	[op.writeback, 'writeback'],
	[op.swapFile, 'swap'],
	[op.report, 'report'],
	[op.zero, 'zero'],
	[op.unshare, 'unshare'],
	[op.write, 'write'],
];

function purposeOf(flags: number): Purpose {
	return purposes.find(([bit]) => has(flags, bit))?.[1] ?? 'read';
}

/** A mapping without an address has none, and no device. */
function writeRecord(view: DataView, at: number, mapping: Mapping, device: number): void {
	writeU64(view, at + record.at.offset, mapping.offset);
	writeU64(view, at + record.at.length, mapping.length);
	const isPlaced = mapping.kind === 'mapped' || mapping.kind === 'unwritten';
	writeU64(view, at + record.at.addr, isPlaced ? mapping.address : allOnes);
	view.setUint16(at + record.at.type, types[mapping.kind], true);
	const isToBeTold = isPlaced && mapping.isToBeTold === true;
	view.setUint16(at + record.at.flags, isToBeTold ? flagShared : 0, true);
	view.setUint32(at + record.at.dev, isPlaced ? device : noDevice, true);
}

/** A half that says nothing of its own; the kernel checks its range all the same. */
function writeOther(
	view: DataView,
	at: number,
	type: 'pureOverwrite' | 'noCache',
	{offset, length}: Mapping,
): void {
	writeRecord(view, at, {kind: 'hole', offset, length}, noDevice);
	view.setUint16(at + record.at.type, types[type], true);
}

function writeText(view: DataView, at: number, text: string, bytesMax: number): void {
	for (let index = 0; index < Math.min(text.length, bytesMax); index++) {
		const code = text.charCodeAt(index);
		view.setUint8(at + index, code >= 0x20 && code < 0x7f ? code : 0x3f);
	}
}

export const v7: Dialect = {
	name: 'v7-2026-02',
	initBit: 43,
	minor: 99,
	attributeFlags: {
		exclusive: 0x4,
		iomap: 0x8,
		synchronous: 0x20,
		immutable: 0x40,
		appendOnly: 0x80,
	},
	ioctls: {openDevice: 0x4010_e501, setNoFs: 0x4004_e564},
	operations: {
		freeze: {opcode: 4089, request: freezeIn, reply: 'empty'},
		unfreeze: {opcode: 4090, reply: 'empty'},
		shutdown: {opcode: 4091, request: shutdownIn, reply: 'empty'},
		config: {opcode: 4092, request: configIn, reply: configOut},
		ioend: {opcode: 4093, request: ioendIn, reply: ioendOut},
		begin: {opcode: 4094, request: beginIn, reply: beginOut},
		end: {opcode: 4095, request: endIn, reply: 'empty'},
	},

	openDevice(descriptor) {
		const bytes = new Uint8Array(16); // struct fuse_backing_map
		const view = new DataView(bytes.buffer);
		view.setInt32(0, descriptor, true);
		view.setUint32(4, iomapDevice, true);
		return bytes;
	},

	setNoFs(isOn) {
		return Uint8Array.of(isOn ? 1 : 0, 0, 0, 0);
	},

	readBegin(view, at): BeginQuestion {
		const flags = view.getUint32(at + beginIn.at.opflags, true);
		return {
			inode: readU64(view, at + beginIn.at.attr_ino),
			position: readU64(view, at + beginIn.at.pos),
			length: readU64(view, at + beginIn.at.count),
			purpose: purposeOf(flags),
			isDirect: has(flags, op.direct),
			mustNotWait: has(flags, op.noWait),
			isOverwriteOnly: has(flags, op.overwriteOnly),
			isAtomic: has(flags, op.atomic),
		};
	},

	readEnd(view, at) {
		return {
			inode: readU64(view, at + endIn.at.attr_ino),
			position: readU64(view, at + endIn.at.pos),
			length: readU64(view, at + endIn.at.count),
			written: readU64(view, at + endIn.at.written),
		};
	},

	readIoend(view, at): IoendNotice {
		const flags = view.getUint32(at + ioendIn.at.flags, true);
		return {
			inode: readU64(view, at + ioendIn.at.attr_ino),
			position: readU64(view, at + ioendIn.at.pos),
			written: readU64(view, at + ioendIn.at.written),
			error: 0 - view.getInt32(at + ioendIn.at.error, true), // Not -0.
			isUnwritten: has(flags, ioend.unwritten),
			isAppend: has(flags, ioend.append),
			isDirect: has(flags, ioend.direct),
			isShared: has(flags, ioend.shared),
			isSwapOff: has(flags, ioend.swapOff),
		};
	},

	writeConfig(view, at, config: Config) {
		const to = configOut.at;
		writeU64(view, at + to.flags, configAll);
		writeText(view, at + to.s_id, config.name, idBytesMax);
		for (const [index, byte] of config.uuid.entries()) view.setUint8(at + to.s_uuid + index, byte);
		view.setUint8(at + to.s_uuid_len, config.uuid.length);
		view.setUint32(at + to.s_blocksize, config.blockSize, true);
		view.setUint32(at + to.s_max_links, config.linksMax, true);
		view.setUint32(at + to.s_time_gran, config.timeGranularity, true);
		writeU64(view, at + to.s_time_min, config.timeMin);
		writeU64(view, at + to.s_time_max, config.timeMax);
		writeU64(view, at + to.s_maxbytes, config.sizeBytesMax);
		view.setUint32(at + to.cache_maxbytes, config.cacheBytes, true);
		return configOut.sizeBytes;
	},

	writeBegin(view, at, answer, device) {
		writeRecord(view, at + beginOut.at.read, answer, device);
		writeOther(view, at + beginOut.at.write, 'pureOverwrite', answer);
		return beginOut.sizeBytes;
	},

	writeIoend(view, at, sizeBytes) {
		writeU64(view, at + ioendOut.at.newsize, sizeBytes);
		return ioendOut.sizeBytes;
	},

	upsert(node, inode, mapping, device): Notification {
		const payload = new Uint8Array(upsertOut.sizeBytes);
		const view = new DataView(payload.buffer);
		writeU64(view, upsertOut.at.nodeid, node);
		writeU64(view, upsertOut.at.attr_ino, inode);
		writeRecord(view, upsertOut.at.read, mapping, device);
		// Without a record of its own for writing, what is written goes where it is read from.
		writeOther(view, upsertOut.at.write, 'noCache', mapping);
		return {code: notifyCodes.upsert, payload};
	},

	invalidate(node, inode, from, to): Notification {
		const payload = new Uint8Array(invalidateOut.sizeBytes);
		const view = new DataView(payload.buffer);
		writeU64(view, invalidateOut.at.nodeid, node);
		writeU64(view, invalidateOut.at.attr_ino, inode);
		const length = to === 'end' ? allOnes : to - from;
		// What is cached for writing is what is cached for reading; a length of 0 leaves that half alone.
		writeU64(view, invalidateOut.at.read_off, from);
		writeU64(view, invalidateOut.at.read_len, length);
		return {code: notifyCodes.invalidate, payload};
	},
};
