/**
 * The structures of the FUSE protocol, each declared once: names and offsets of linux/fuse.h,
 * protocol 7.46, of which 7.31 is the oldest that is spoken here. Requests and replies are encoded
 * at the offsets in `at`, without an object in between; `trace.ts` prints from `fields`.
 *
 * All fields are in the byte order of the machine, which must be little-endian.
 */
import {layout} from '../../iomap/protocol/wire.ts';

export {type Layout, readU64, type ScalarKind, writeU64} from '../../iomap/protocol/wire.ts';

export const kernelMajor = 7;
/** The newest minor whose structures and flags stand here. */
export const newestMinor = 46;
/** Linux 5.4; what came before lacks flags that this server can't do without. */
export const oldestMinor = 31;

export const rootNodeId = 1;

/** Every request starts with this one, */
export const inHeader = layout('fuse_in_header', 40, {
	len: [0, 'u32'],
	opcode: [4, 'u32'],
	unique: [8, 'u64'],
	nodeid: [16, 'u64'],
	uid: [24, 'u32'],
	gid: [28, 'u32'],
	pid: [32, 'u32'],
	// In units of 8 bytes, at the end of the request; since 7.38.
	total_extlen: [36, 'u16'],
});

/** and every reply with this one. */
export const outHeader = layout('fuse_out_header', 16, {
	len: [0, 'u32'],
	error: [4, 'i32'],
	unique: [8, 'u64'],
});

export const attr = layout('fuse_attr', 88, {
	ino: [0, 'u64'],
	size: [8, 'u64'],
	blocks: [16, 'u64'],
	atime: [24, 'i64'],
	mtime: [32, 'i64'],
	ctime: [40, 'i64'],
	atimensec: [48, 'u32'],
	mtimensec: [52, 'u32'],
	ctimensec: [56, 'u32'],
	mode: [60, 'u32'],
	nlink: [64, 'u32'],
	uid: [68, 'u32'],
	gid: [72, 'u32'],
	rdev: [76, 'u32'],
	blksize: [80, 'u32'],
	// Padding before 7.32.
	flags: [84, 'u32'],
});

export const entryOut = layout('fuse_entry_out', 128, {
	nodeid: [0, 'u64'],
	generation: [8, 'u64'],
	entry_valid: [16, 'u64'],
	attr_valid: [24, 'u64'],
	entry_valid_nsec: [32, 'u32'],
	attr_valid_nsec: [36, 'u32'],
	attr: [40, attr],
});

export const attrOut = layout('fuse_attr_out', 104, {
	attr_valid: [0, 'u64'],
	attr_valid_nsec: [8, 'u32'],
	attr: [16, attr],
});

export const getattrIn = layout('fuse_getattr_in', 16, {
	getattr_flags: [0, 'u32'],
	fh: [8, 'u64'],
});

export const setattrIn = layout('fuse_setattr_in', 88, {
	valid: [0, 'u32'],
	fh: [8, 'u64'],
	size: [16, 'u64'],
	lock_owner: [24, 'u64'],
	atime: [32, 'i64'],
	mtime: [40, 'i64'],
	ctime: [48, 'i64'],
	atimensec: [56, 'u32'],
	mtimensec: [60, 'u32'],
	ctimensec: [64, 'u32'],
	mode: [68, 'u32'],
	uid: [76, 'u32'],
	gid: [80, 'u32'],
});

export const sxTime = layout('fuse_sx_time', 16, {
	tv_sec: [0, 'i64'],
	tv_nsec: [8, 'u32'],
});

export const statx = layout('fuse_statx', 256, {
	mask: [0, 'u32'],
	blksize: [4, 'u32'],
	attributes: [8, 'u64'],
	nlink: [16, 'u32'],
	uid: [20, 'u32'],
	gid: [24, 'u32'],
	mode: [28, 'u16'],
	ino: [32, 'u64'],
	size: [40, 'u64'],
	blocks: [48, 'u64'],
	attributes_mask: [56, 'u64'],
	atime: [64, sxTime],
	btime: [80, sxTime],
	ctime: [96, sxTime],
	mtime: [112, sxTime],
	rdev_major: [128, 'u32'],
	rdev_minor: [132, 'u32'],
	dev_major: [136, 'u32'],
	dev_minor: [140, 'u32'],
});

/** Since 7.39. */
export const statxIn = layout('fuse_statx_in', 24, {
	getattr_flags: [0, 'u32'],
	fh: [8, 'u64'],
	sx_flags: [16, 'u32'],
	sx_mask: [20, 'u32'],
});

/** Since 7.39. */
export const statxOut = layout('fuse_statx_out', 288, {
	attr_valid: [0, 'u64'],
	attr_valid_nsec: [8, 'u32'],
	flags: [12, 'u32'],
	stat: [32, statx],
});

export const forgetIn = layout('fuse_forget_in', 8, {nlookup: [0, 'u64']});
export const forgetOne = layout('fuse_forget_one', 16, {nodeid: [0, 'u64'], nlookup: [8, 'u64']});
export const batchForgetIn = layout('fuse_batch_forget_in', 8, {count: [0, 'u32']});

export const mknodIn = layout('fuse_mknod_in', 16, {
	mode: [0, 'u32'],
	rdev: [4, 'u32'],
	umask: [8, 'u32'],
});
export const mkdirIn = layout('fuse_mkdir_in', 8, {mode: [0, 'u32'], umask: [4, 'u32']});
export const renameIn = layout('fuse_rename_in', 8, {newdir: [0, 'u64']});
export const rename2In = layout('fuse_rename2_in', 16, {newdir: [0, 'u64'], flags: [8, 'u32']});
export const linkIn = layout('fuse_link_in', 8, {oldnodeid: [0, 'u64']});

export const openIn = layout('fuse_open_in', 8, {flags: [0, 'u32'], open_flags: [4, 'u32']});
export const openOut = layout('fuse_open_out', 16, {
	fh: [0, 'u64'],
	open_flags: [8, 'u32'],
	// Padding before 7.40.
	backing_id: [12, 'i32'],
});
export const createIn = layout('fuse_create_in', 16, {
	flags: [0, 'u32'],
	mode: [4, 'u32'],
	umask: [8, 'u32'],
	open_flags: [12, 'u32'],
});
/** fuse_entry_out and fuse_open_out, one behind the other; it has no name in linux/fuse.h. */
export const createOut = layout('fuse_create_out', 144, {
	entry: [0, entryOut],
	open: [128, openOut],
});
export const releaseIn = layout('fuse_release_in', 24, {
	fh: [0, 'u64'],
	flags: [8, 'u32'],
	release_flags: [12, 'u32'],
	lock_owner: [16, 'u64'],
});
export const flushIn = layout('fuse_flush_in', 24, {fh: [0, 'u64'], lock_owner: [16, 'u64']});
export const fsyncIn = layout('fuse_fsync_in', 16, {fh: [0, 'u64'], fsync_flags: [8, 'u32']});

export const readIn = layout('fuse_read_in', 40, {
	fh: [0, 'u64'],
	offset: [8, 'u64'],
	size: [16, 'u32'],
	read_flags: [20, 'u32'],
	lock_owner: [24, 'u64'],
	flags: [32, 'u32'],
});
export const writeIn = layout('fuse_write_in', 40, {
	fh: [0, 'u64'],
	offset: [8, 'u64'],
	size: [16, 'u32'],
	write_flags: [20, 'u32'],
	lock_owner: [24, 'u64'],
	flags: [32, 'u32'],
});
export const writeOut = layout('fuse_write_out', 8, {size: [0, 'u32']});

/** The name follows, padded to 8 bytes. */
export const dirent = layout('fuse_dirent', 24, {
	ino: [0, 'u64'],
	off: [8, 'u64'],
	namelen: [16, 'u32'],
	type: [20, 'u32'],
});
/** The name follows, padded to 8 bytes. */
export const direntplus = layout('fuse_direntplus', 152, {
	entry_out: [0, entryOut],
	dirent: [128, dirent],
});

/** fuse_statfs_out is this structure, fuse_kstatfs, and nothing else. */
export const statfsOut = layout('fuse_statfs_out', 80, {
	blocks: [0, 'u64'],
	bfree: [8, 'u64'],
	bavail: [16, 'u64'],
	files: [24, 'u64'],
	ffree: [32, 'u64'],
	bsize: [40, 'u32'],
	namelen: [44, 'u32'],
	frsize: [48, 'u32'],
});

/** What is sent without SETXATTR_EXT; the same name in linux/fuse.h. */
export const setxattrIn = layout('fuse_setxattr_in', 8, {size: [0, 'u32'], flags: [4, 'u32']});
/** With SETXATTR_EXT. */
export const setxattrExtIn = layout('fuse_setxattr_in', 16, {
	size: [0, 'u32'],
	flags: [4, 'u32'],
	setxattr_flags: [8, 'u32'],
});
export const getxattrIn = layout('fuse_getxattr_in', 8, {size: [0, 'u32']});
/** The reply where the request's size is 0; else the reply is the value itself. */
export const getxattrOut = layout('fuse_getxattr_out', 8, {size: [0, 'u32']});

const fileLock = layout('fuse_file_lock', 24, {
	start: [0, 'u64'],
	end: [8, 'u64'],
	type: [16, 'u32'],
	pid: [20, 'u32'],
});
export const lkIn = layout('fuse_lk_in', 48, {
	fh: [0, 'u64'],
	owner: [8, 'u64'],
	lk: [16, fileLock],
	lk_flags: [40, 'u32'],
});
export const lkOut = layout('fuse_lk_out', 24, {lk: [0, fileLock]});

export const accessIn = layout('fuse_access_in', 8, {mask: [0, 'u32']});
export const interruptIn = layout('fuse_interrupt_in', 8, {unique: [0, 'u64']});
export const bmapIn = layout('fuse_bmap_in', 16, {block: [0, 'u64'], blocksize: [8, 'u32']});
export const bmapOut = layout('fuse_bmap_out', 8, {block: [0, 'u64']});

/** `in_size` bytes of data follow. */
export const ioctlIn = layout('fuse_ioctl_in', 32, {
	fh: [0, 'u64'],
	flags: [8, 'u32'],
	cmd: [12, 'u32'],
	arg: [16, 'u64'],
	in_size: [24, 'u32'],
	out_size: [28, 'u32'],
});
/** The data follow, at most `out_size` bytes. */
export const ioctlOut = layout('fuse_ioctl_out', 16, {
	result: [0, 'i32'],
	flags: [4, 'u32'],
	in_iovs: [8, 'u32'],
	out_iovs: [12, 'u32'],
});

export const pollIn = layout('fuse_poll_in', 24, {
	fh: [0, 'u64'],
	kh: [8, 'u64'],
	flags: [16, 'u32'],
	events: [20, 'u32'],
});
export const pollOut = layout('fuse_poll_out', 8, {revents: [0, 'u32']});
export const fallocateIn = layout('fuse_fallocate_in', 32, {
	fh: [0, 'u64'],
	offset: [8, 'u64'],
	length: [16, 'u64'],
	mode: [24, 'u32'],
});
export const lseekIn = layout('fuse_lseek_in', 24, {
	fh: [0, 'u64'],
	offset: [8, 'u64'],
	whence: [16, 'u32'],
});
export const lseekOut = layout('fuse_lseek_out', 8, {offset: [0, 'u64']});
export const copyFileRangeIn = layout('fuse_copy_file_range_in', 56, {
	fh_in: [0, 'u64'],
	off_in: [8, 'u64'],
	nodeid_out: [16, 'u64'],
	fh_out: [24, 'u64'],
	off_out: [32, 'u64'],
	len: [40, 'u64'],
	flags: [48, 'u64'],
});
/** The reply to COPY_FILE_RANGE_64, since 7.45; the older operation answers fuse_write_out. */
export const copyFileRangeOut = layout('fuse_copy_file_range_out', 8, {bytes_copied: [0, 'u64']});
export const syncfsIn = layout('fuse_syncfs_in', 8, {padding: [0, 'u64']});

/** Up to 7.35 the request ends behind `flags`. */
export const initIn = layout('fuse_init_in', 64, {
	major: [0, 'u32'],
	minor: [4, 'u32'],
	max_readahead: [8, 'u32'],
	flags: [12, 'u32'],
	flags2: [16, 'u32'],
});
export const initInBytesMin = 16;

export const initOut = layout('fuse_init_out', 64, {
	major: [0, 'u32'],
	minor: [4, 'u32'],
	max_readahead: [8, 'u32'],
	flags: [12, 'u32'],
	max_background: [16, 'u16'],
	congestion_threshold: [18, 'u16'],
	max_write: [20, 'u32'],
	time_gran: [24, 'u32'],
	max_pages: [28, 'u16'],
	map_alignment: [30, 'u16'],
	// Read by the kernel since 7.36, if INIT_EXT is among `flags`.
	flags2: [32, 'u32'],
	max_stack_depth: [36, 'u32'],
	request_timeout: [40, 'u16'],
});

/** Bits of the INIT request and reply; those from 32 on travel in `flags2`. */
export const initFlagBits = {
	ASYNC_READ: 0,
	POSIX_LOCKS: 1,
	FILE_OPS: 2,
	ATOMIC_O_TRUNC: 3,
	EXPORT_SUPPORT: 4,
	BIG_WRITES: 5,
	DONT_MASK: 6,
	SPLICE_WRITE: 7,
	SPLICE_MOVE: 8,
	SPLICE_READ: 9,
	FLOCK_LOCKS: 10,
	HAS_IOCTL_DIR: 11,
	AUTO_INVAL_DATA: 12,
	DO_READDIRPLUS: 13,
	READDIRPLUS_AUTO: 14,
	ASYNC_DIO: 15,
	WRITEBACK_CACHE: 16,
	NO_OPEN_SUPPORT: 17,
	PARALLEL_DIROPS: 18,
	HANDLE_KILLPRIV: 19,
	POSIX_ACL: 20,
	ABORT_ERROR: 21,
	MAX_PAGES: 22,
	CACHE_SYMLINKS: 23,
	NO_OPENDIR_SUPPORT: 24,
	EXPLICIT_INVAL_DATA: 25,
	MAP_ALIGNMENT: 26,
	SUBMOUNTS: 27,
	HANDLE_KILLPRIV_V2: 28,
	SETXATTR_EXT: 29,
	INIT_EXT: 30,
	SECURITY_CTX: 32,
	HAS_INODE_DAX: 33,
	CREATE_SUPP_GROUP: 34,
	HAS_EXPIRE_ONLY: 35,
	DIRECT_IO_ALLOW_MMAP: 36,
	PASSTHROUGH: 37,
	NO_EXPORT_SUPPORT: 38,
	HAS_RESEND: 39,
	ALLOW_IDMAP: 40,
	OVER_IO_URING: 41,
	REQUEST_TIMEOUT: 42,
} as const;

export type InitFlag = keyof typeof initFlagBits;

/** Bits of `fuse_open_out.open_flags`. */
export const openFlags = {
	directIo: 1 << 0,
	keepCache: 1 << 1,
	cacheDirectory: 1 << 3,
} as const;

/** Bits of `fuse_setattr_in.valid`: which fields are to be set. */
export const setattrValid = {
	mode: 1 << 0,
	uid: 1 << 1,
	gid: 1 << 2,
	size: 1 << 3,
	atime: 1 << 4,
	mtime: 1 << 5,
	atimeNow: 1 << 7,
	mtimeNow: 1 << 8,
	ctime: 1 << 10,
	killSuidGid: 1 << 11,
} as const;

/** Bits of `fuse_write_in.write_flags`. `cache`: from the page cache, of no particular writer. */
export const writeFlags = {cache: 1 << 0, killSuidGid: 1 << 2} as const;

/** Bits of `fuse_setxattr_in.setxattr_flags`. */
export const setxattrFlags = {aclKillSgid: 1 << 0} as const;

/** FUSE_NOTIFY_*: messages of the server's own, with `unique` 0 and these as `error`. */
export const notifyCodes = {invalidateInode: 2} as const;
export const notifyInvalInodeOut = layout('fuse_notify_inval_inode_out', 24, {
	ino: [0, 'u64'],
	off: [8, 'i64'],
	len: [16, 'i64'],
});

/** `whence` of LSEEK; the kernel sends no others. */
export const seekWhence = {data: 3, hole: 4} as const;
