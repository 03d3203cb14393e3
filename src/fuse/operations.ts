/**
 * The table of opcodes: the only list of them. A row drives the check of a request, its dispatch,
 * the bound of its reply and its line in the trace.
 */

import type {InitFlag, Layout} from './layout.ts';
import * as layouts from './layout.ts';

export type Operation = {
	readonly opcode: number;
	readonly name: string;
	/**
	 * The method of `Handlers` that answers. Rows without one are the connection's own, or of
	 * what no server of this kind is ever asked.
	 */
	readonly handler?: string;
	/** What the body starts with. */
	readonly request?: Layout;
	/** What the body starts with instead, where the flag was agreed on at INIT. */
	readonly requestWith?: {readonly flag: InitFlag; readonly layout: Layout};
	/** Where older kernels send less of `request`. */
	readonly requestBytesMin?: number;
	/** How many names, each closed by a NUL, follow `request`. */
	readonly names?: 1 | 2;
	/** Any number of bytes may follow. */
	readonly hasData?: true;
	/** `empty` is a header alone; `none`: the kernel does not wait for an answer. */
	readonly reply: Layout | 'bytes' | 'empty' | 'none';
	/** Where in `request` stands how many bytes the reply may have (behind its layout, if any). */
	readonly limitAt?: number;
	/** The reply where that number is 0: the size that would be wanted. */
	readonly sizeReply?: Layout;
	/** Changes the file system: EROFS where nobody handles it, not ENOSYS. */
	readonly writes?: true;
};

const {
	attrOut,
	createOut,
	entryOut,
	getxattrIn,
	getxattrOut,
	ioctlIn,
	readIn,
	releaseIn,
	writeOut,
} = layouts;

export const operations = [
	{
		opcode: 26,
		name: 'INIT',
		request: layouts.initIn,
		requestBytesMin: layouts.initInBytesMin,
		hasData: true,
		reply: layouts.initOut,
	},
	{opcode: 38, name: 'DESTROY', reply: 'empty'},
	{opcode: 2, name: 'FORGET', request: layouts.forgetIn, reply: 'none'},
	{opcode: 42, name: 'BATCH_FORGET', request: layouts.batchForgetIn, hasData: true, reply: 'none'},
	{opcode: 36, name: 'INTERRUPT', request: layouts.interruptIn, reply: 'none'},
	{opcode: 41, name: 'NOTIFY_REPLY', hasData: true, reply: 'none'},

	{opcode: 1, name: 'LOOKUP', handler: 'lookup', names: 1, reply: entryOut},
	{opcode: 3, name: 'GETATTR', handler: 'getattr', request: layouts.getattrIn, reply: attrOut},
	{opcode: 52, name: 'STATX', handler: 'statx', request: layouts.statxIn, reply: layouts.statxOut},
	{opcode: 5, name: 'READLINK', handler: 'readlink', reply: 'bytes'},
	{opcode: 14, name: 'OPEN', handler: 'open', request: layouts.openIn, reply: layouts.openOut},
	{
		opcode: 15,
		name: 'READ',
		handler: 'read',
		request: readIn,
		reply: 'bytes',
		limitAt: readIn.at.size,
	},
	{opcode: 46, name: 'LSEEK', handler: 'lseek', request: layouts.lseekIn, reply: layouts.lseekOut},
	{opcode: 25, name: 'FLUSH', handler: 'flush', request: layouts.flushIn, reply: 'empty'},
	{opcode: 20, name: 'FSYNC', handler: 'fsync', request: layouts.fsyncIn, reply: 'empty'},
	{opcode: 18, name: 'RELEASE', handler: 'release', request: releaseIn, reply: 'empty'},
	{
		opcode: 27,
		name: 'OPENDIR',
		handler: 'opendir',
		request: layouts.openIn,
		reply: layouts.openOut,
	},
	{
		opcode: 28,
		name: 'READDIR',
		handler: 'readdir',
		request: readIn,
		reply: 'bytes',
		limitAt: readIn.at.size,
	},
	{
		opcode: 44,
		name: 'READDIRPLUS',
		handler: 'readdirplus',
		request: readIn,
		reply: 'bytes',
		limitAt: readIn.at.size,
	},
	{opcode: 30, name: 'FSYNCDIR', handler: 'fsyncdir', request: layouts.fsyncIn, reply: 'empty'},
	{opcode: 29, name: 'RELEASEDIR', handler: 'releasedir', request: releaseIn, reply: 'empty'},
	{opcode: 17, name: 'STATFS', handler: 'statfs', reply: layouts.statfsOut},
	{opcode: 50, name: 'SYNCFS', handler: 'syncfs', request: layouts.syncfsIn, reply: 'empty'},
	{opcode: 34, name: 'ACCESS', handler: 'access', request: layouts.accessIn, reply: 'empty'},
	{
		opcode: 22,
		name: 'GETXATTR',
		handler: 'getxattr',
		request: getxattrIn,
		names: 1,
		reply: 'bytes',
		limitAt: getxattrIn.at.size,
		sizeReply: getxattrOut,
	},
	{
		opcode: 23,
		name: 'LISTXATTR',
		handler: 'listxattr',
		request: getxattrIn,
		reply: 'bytes',
		limitAt: getxattrIn.at.size,
		sizeReply: getxattrOut,
	},
	{
		opcode: 39,
		name: 'IOCTL',
		handler: 'ioctl',
		request: ioctlIn,
		hasData: true,
		reply: layouts.ioctlOut,
		limitAt: ioctlIn.at.out_size,
	},
	{opcode: 37, name: 'BMAP', handler: 'bmap', request: layouts.bmapIn, reply: layouts.bmapOut},
	{opcode: 40, name: 'POLL', handler: 'poll', request: layouts.pollIn, reply: layouts.pollOut},
	{opcode: 31, name: 'GETLK', handler: 'getlk', request: layouts.lkIn, reply: layouts.lkOut},
	{opcode: 32, name: 'SETLK', handler: 'setlk', request: layouts.lkIn, reply: 'empty'},
	{opcode: 33, name: 'SETLKW', handler: 'setlkw', request: layouts.lkIn, reply: 'empty'},

	{
		opcode: 4,
		name: 'SETATTR',
		handler: 'setattr',
		request: layouts.setattrIn,
		reply: attrOut,
		writes: true,
	},
	{opcode: 6, name: 'SYMLINK', handler: 'symlink', names: 2, reply: entryOut, writes: true},
	{
		opcode: 8,
		name: 'MKNOD',
		handler: 'mknod',
		request: layouts.mknodIn,
		names: 1,
		reply: entryOut,
		writes: true,
	},
	{
		opcode: 9,
		name: 'MKDIR',
		handler: 'mkdir',
		request: layouts.mkdirIn,
		names: 1,
		reply: entryOut,
		writes: true,
	},
	{opcode: 10, name: 'UNLINK', handler: 'unlink', names: 1, reply: 'empty', writes: true},
	{opcode: 11, name: 'RMDIR', handler: 'rmdir', names: 1, reply: 'empty', writes: true},
	{
		opcode: 12,
		name: 'RENAME',
		handler: 'rename',
		request: layouts.renameIn,
		names: 2,
		reply: 'empty',
		writes: true,
	},
	{
		opcode: 45,
		name: 'RENAME2',
		handler: 'rename2',
		request: layouts.rename2In,
		names: 2,
		reply: 'empty',
		writes: true,
	},
	{
		opcode: 13,
		name: 'LINK',
		handler: 'link',
		request: layouts.linkIn,
		names: 1,
		reply: entryOut,
		writes: true,
	},
	{
		opcode: 35,
		name: 'CREATE',
		handler: 'create',
		request: layouts.createIn,
		names: 1,
		reply: createOut,
		writes: true,
	},
	{
		opcode: 51,
		name: 'TMPFILE',
		handler: 'tmpfile',
		request: layouts.createIn,
		names: 1,
		reply: createOut,
		writes: true,
	},
	{
		opcode: 16,
		name: 'WRITE',
		handler: 'write',
		request: layouts.writeIn,
		hasData: true,
		reply: writeOut,
		writes: true,
	},
	{
		opcode: 43,
		name: 'FALLOCATE',
		handler: 'fallocate',
		request: layouts.fallocateIn,
		reply: 'empty',
		writes: true,
	},
	{
		opcode: 47,
		name: 'COPY_FILE_RANGE',
		handler: 'copyFileRange',
		request: layouts.copyFileRangeIn,
		reply: writeOut,
		writes: true,
	},
	{
		opcode: 53,
		name: 'COPY_FILE_RANGE_64',
		handler: 'copyFileRange64',
		request: layouts.copyFileRangeIn,
		reply: layouts.copyFileRangeOut,
		writes: true,
	},
	{
		opcode: 21,
		name: 'SETXATTR',
		handler: 'setxattr',
		request: layouts.setxattrIn,
		requestWith: {flag: 'SETXATTR_EXT', layout: layouts.setxattrExtIn},
		names: 1,
		hasData: true,
		reply: 'empty',
		writes: true,
	},
	{opcode: 24, name: 'REMOVEXATTR', handler: 'removexattr', names: 1, reply: 'empty', writes: true},
] as const satisfies readonly Operation[];
