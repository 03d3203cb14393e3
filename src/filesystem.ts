/**
 * FUSE operations in terms of a volume. Node ids are inode numbers (the root is node 1 and inode
 * 2), nothing is ever opened, and reading changes nothing: so what a request needs, it brings, and
 * between requests nothing is kept here.
 */
import {
	CorruptError,
	getXattr,
	type Inode,
	inodeFlags,
	listXattrs,
	lookup,
	readSymlink,
	statisticsOf,
	type Volume,
} from '../ext4/index.ts';
import {Mapper, readRange, seek} from '../iomap/index.ts';
import {
	inodeOfNode,
	nameBytesMax,
	rootInode,
	type Shown,
	validSeconds,
	writeAttributes,
	writeEntry,
	writeStatistics,
	writeStatx,
} from './attributes.ts';
import {EntryWriter} from './entry-writer.ts';
import {errno} from './errno.ts';
import type {Handlers} from './fuse/connection.ts';
import {
	attrOut,
	entryOut,
	getxattrOut,
	type InitFlag,
	ioctlIn,
	ioctlOut,
	lseekIn,
	lseekOut,
	openFlags,
	openOut,
	readIn,
	seekWhence,
	statfsOut,
	statxOut,
	writeU64,
} from './fuse/layout.ts';
import {payloadAt, type Reply, type Request} from './fuse/message.ts';
import {answerIoctl} from './ioctl.ts';
import type {ServerConfig} from './mount/server-config.ts';
import {type Owners, ownersOf, showAclOwners} from './owners.ts';
import {statusIoctl} from './status.ts';

/** READs and WRITEs of up to 1 MiB: the kernel's own limit. */
export const transferBytesMax = 1 << 20;

/**
 * What is asked of the kernel at INIT, if it offers it. Missing on purpose: ATOMIC_O_TRUNC, which
 * loses truncations once OPEN is refused; AUTO_INVAL_DATA, as nobody else changes the image;
 * ALLOW_IDMAP, as owners are mapped here.
 */
const flags: readonly InitFlag[] = [
	'INIT_EXT',
	'ASYNC_READ',
	'ASYNC_DIO',
	'BIG_WRITES',
	'MAX_PAGES',
	'DO_READDIRPLUS',
	'READDIRPLUS_AUTO',
	'PARALLEL_DIROPS',
	'CACHE_SYMLINKS',
	'NO_OPEN_SUPPORT',
	'NO_OPENDIR_SUPPORT',
	'EXPORT_SUPPORT',
	'EXPLICIT_INVAL_DATA',
	'HANDLE_KILLPRIV_V2',
	'HAS_IOCTL_DIR',
	'ABORT_ERROR',
];

/** POSIX_ACL makes the kernel check permissions, from which a lone mounter is exempt. */
export function initFlags(config: ServerConfig): readonly InitFlag[] {
	const isChecked = config.allowOther || config.defaultPermissions;
	return isChecked && config.acl ? [...flags, 'POSIX_ACL'] : flags;
}

/** In bytes; the birth time lies behind. */
const inodeSizeWithoutBirth = 128;

const dot = Uint8Array.of(0x2e);
const dotDot = Uint8Array.of(0x2e, 0x2e);

function isName(name: Uint8Array, expected: Uint8Array): boolean {
	return name.length === expected.length && name.every((byte, index) => byte === expected[index]);
}

const accessAcl = 'system.posix_acl_access';
const defaultAcl = 'system.posix_acl_default';
const trustedPrefix = 'trusted.';

export type FileSystemOptions = {
	readonly config: ServerConfig;
	/** The bytes of the status, for the ioctl. */
	readonly status: () => Uint8Array;
};

export class FileSystem implements Handlers {
	readonly #volume: Volume;
	readonly #mapper: Mapper;
	readonly #owners: Owners;
	readonly #shown: Shown;
	readonly #config: ServerConfig;
	readonly #status: () => Uint8Array;
	readonly #entries: EntryWriter;

	constructor(volume: Volume, options: FileSystemOptions) {
		this.#volume = volume;
		this.#mapper = new Mapper(volume);
		this.#config = options.config;
		this.#status = options.status;
		this.#owners = ownersOf(options.config.map);
		this.#shown = {
			owners: this.#owners,
			blockSize: volume.geometry.blockSize,
			sizeOf: inode => this.#sizeOf(inode),
		};
		this.#entries = new EntryWriter(volume, this.#shown);
	}

	lookup(request: Request, reply: Reply): number {
		const name = request.name();
		if (name.length > nameBytesMax) return -errno.ENAMETOOLONG;
		if (isName(name, dot)) return this.#lookupSelf(request, reply);
		const directory = this.#inode(request);
		if (directory.type !== 'directory') return -errno.ENOTDIR;
		const found = lookup(this.#volume, directory, name);
		if (found === undefined) {
			// Node 0 that stays valid: the kernel remembers that there is no such name.
			writeU64(reply.view, payloadAt + entryOut.at.entry_valid, validSeconds);
			return entryOut.sizeBytes;
		}
		// `..` of the root is the root, which file handles need; no other name may lead there.
		if (found.inode === rootInode && !isName(name, dotDot)) {
			throw new CorruptError('EXT4_BAD_DIRECTORY_ENTRY', 'an entry leads to the root', {
				inode: directory.number,
			});
		}
		writeEntry(reply.view, payloadAt, this.#volume.readInode(found.inode), this.#shown);
		return entryOut.sizeBytes;
	}

	getattr(request: Request, reply: Reply): number {
		const {view} = reply;
		writeU64(view, payloadAt + attrOut.at.attr_valid, validSeconds);
		writeAttributes(view, payloadAt + attrOut.at.attr, this.#inode(request), this.#shown);
		return attrOut.sizeBytes;
	}

	statx(request: Request, reply: Reply): number {
		// Where no inode has room for a birth time, the kernel is better off asking GETATTR, whose
		// answers it remembers whole.
		if (this.#volume.geometry.inodeSize <= inodeSizeWithoutBirth) return -errno.ENOSYS;
		const {view} = reply;
		writeU64(view, payloadAt + statxOut.at.attr_valid, validSeconds);
		writeStatx(view, payloadAt + statxOut.at.stat, this.#inode(request), this.#shown);
		return statxOut.sizeBytes;
	}

	readlink(request: Request, reply: Reply): number {
		const inode = this.#inode(request);
		if (inode.type !== 'symlink') return -errno.EINVAL;
		return putBytes(reply, readSymlink(this.#volume, inode));
	}

	/** Refused once, so that nothing is ever asked again for opening a file or closing it. */
	open(_request: Request, reply: Reply): number {
		if (!this.#config.direct) return -errno.ENOSYS;
		reply.view.setUint32(payloadAt + openOut.at.open_flags, openFlags.directIo, true);
		return openOut.sizeBytes;
	}

	release(): number {
		return 0;
	}

	read(request: Request, reply: Reply): number {
		const inode = this.#inode(request);
		if (inode.type !== 'file') return inode.type === 'directory' ? -errno.EISDIR : -errno.EINVAL;
		const into = reply.bytes.subarray(payloadAt, payloadAt + reply.room);
		return readRange(this.#mapper, inode, request.u64(readIn.at.offset), into);
	}

	lseek(request: Request, reply: Reply): number {
		const inode = this.#inode(request);
		const whence = request.u32(lseekIn.at.whence);
		if (whence !== seekWhence.data && whence !== seekWhence.hole) return -errno.EINVAL;
		const wanted = whence === seekWhence.data ? 'data' : 'hole';
		const found = seek(this.#mapper, inode, request.u64(lseekIn.at.offset), wanted);
		if (found === undefined) return -errno.ENXIO;
		writeU64(reply.view, payloadAt + lseekOut.at.offset, found);
		return lseekOut.sizeBytes;
	}

	/** There is nothing that could not have been written yet. */
	fsync(): number {
		return 0;
	}

	fsyncdir(): number {
		return 0;
	}

	readdir(request: Request, reply: Reply): number {
		return this.#readDirectory(request, reply, false);
	}

	readdirplus(request: Request, reply: Reply): number {
		return this.#readDirectory(request, reply, true);
	}

	statfs(_request: Request, reply: Reply): number {
		const statistics = statisticsOf(this.#volume);
		const {blockCount} = this.#config.minixDf ? this.#volume.geometry : statistics;
		writeStatistics(reply.view, payloadAt, {...statistics, blockCount});
		return statfsOut.sizeBytes;
	}

	getxattr(request: Request, reply: Reply): number {
		// Names of attributes are strings of one character a byte.
		const name = Buffer.from(request.name()).toString('latin1');
		const value = getXattr(this.#volume, this.#inode(request), name);
		if (value === undefined) return -errno.ENODATA;
		if (name !== accessAcl && name !== defaultAcl) return putSized(request, reply, value);
		const acl = value.slice();
		showAclOwners(acl, this.#owners);
		return putSized(request, reply, acl);
	}

	listxattr(request: Request, reply: Reply): number {
		const names = listXattrs(this.#volume, this.#inode(request)).map(each => each.name);
		// As the kernel's ext4: these can only be read by root, and need not be heard of by others.
		const shown = request.uid === 0 ? names : names.filter(name => !name.startsWith(trustedPrefix));
		const list = shown.map(name => `${name}\0`).join('');
		return putSized(request, reply, Buffer.from(list, 'latin1'));
	}

	ioctl(request: Request, reply: Reply): number {
		const command = request.u32(ioctlIn.at.cmd);
		if (command === statusIoctl) return this.#answerStatus(request, reply);
		const answer = answerIoctl(this.#volume, this.#inode(request), command);
		return answer === undefined ? -errno.ENOTTY : putIoctl(reply, answer, 0);
	}

	/** A status tells what is in the image: only who mounted it may hear that, and root. */
	#answerStatus(request: Request, reply: Reply): number {
		if (request.uid !== 0 && request.uid !== this.#config.mounterUid) return -errno.EPERM;
		const bytes = this.#status();
		return putIoctl(reply, bytes, bytes.length);
	}

	#inode(request: Request): Inode {
		return this.#volume.readInode(inodeOfNode(request.nodeId));
	}

	/** What a file handle leads to, which may be long gone: no corruption, but a stale handle. */
	#lookupSelf(request: Request, reply: Reply): number {
		try {
			writeEntry(reply.view, payloadAt, this.#inode(request), this.#shown);
		} catch (error) {
			if (error instanceof CorruptError) return -errno.ESTALE;
			throw error;
		}
		return entryOut.sizeBytes;
	}

	#readDirectory(request: Request, reply: Reply, isPlus: boolean): number {
		const directory = this.#inode(request);
		if (directory.type !== 'directory') return -errno.ENOTDIR;
		return this.#entries.write(reply, directory, request.u64(readIn.at.offset), isPlus);
	}

	#sizeOf(inode: Inode): number {
		// An encrypted link shows another target than the one that is stored.
		if (inode.type === 'symlink' && (inode.flags & inodeFlags.encrypted) !== 0) {
			return readSymlink(this.#volume, inode).length;
		}
		return inode.sizeBytes;
	}
}

function putBytes(reply: Reply, bytes: Uint8Array): number {
	if (bytes.length > reply.room) return -errno.EIO;
	reply.bytes.set(bytes, payloadAt);
	return bytes.length;
}

/** The value of an attribute, or its size where the request has no room at all. */
function putSized(request: Request, reply: Reply, value: Uint8Array): number {
	if (request.u32(0) === 0) {
		reply.view.setUint32(payloadAt + getxattrOut.at.size, value.length, true);
		reply.view.setUint32(payloadAt + getxattrOut.sizeBytes - 4, 0, true);
		return getxattrOut.sizeBytes;
	}
	if (value.length > reply.room) return -errno.ERANGE;
	return putBytes(reply, value);
}

function putIoctl(reply: Reply, bytes: Uint8Array, result: number): number {
	const length = ioctlOut.sizeBytes + bytes.length;
	if (length > reply.room) return -errno.EINVAL;
	reply.view.setInt32(payloadAt + ioctlOut.at.result, result, true);
	reply.bytes.set(bytes, payloadAt + ioctlOut.sizeBytes);
	return length;
}
