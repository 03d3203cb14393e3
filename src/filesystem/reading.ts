/** Operations that change nothing: names, attributes, contents, directories. */
import {
	assertMayOpenForWriting,
	CorruptError,
	lookup,
	readSymlink,
	statisticsOf,
	withinProject,
} from '../../ext4/index.ts';
import {readRange, seek} from '../../iomap/index.ts';
import {inodeOfNode, rootInode, validSeconds, writeStatistics, writeStatx} from '../attributes.ts';
import {EntryWriter} from '../entry-writer.ts';
import {errno} from '../errno.ts';
import type {Handlers} from '../fuse/connection.ts';
import {
	getattrIn,
	lseekIn,
	lseekOut,
	openIn,
	openOut,
	readIn,
	seekWhence,
	statfsOut,
	statxOut,
	writeU64,
} from '../fuse/layout.ts';
import {payloadAt, type Reply, type Request} from '../fuse/message.ts';
import {putAttributes, putBytes, putEntry, putNoEntry} from './replies.ts';
import {nameOf, type Served} from './served.ts';

/** FUSE_GETATTR_FH. */
const getattrOfOpenFile = 1;
/** O_APPEND of open(2)'s flags. */
const appending = 0x400;
/** O_ACCMODE of open(2)'s flags; 0: for reading only. */
const accessMode = 3;

/** In bytes; the birth time lies behind. */
const inodeSizeWithoutBirth = 128;

const dot = Uint8Array.of(0x2e);
const dotDot = Uint8Array.of(0x2e, 0x2e);

function isName(name: Uint8Array, expected: Uint8Array): boolean {
	return name.length === expected.length && name.every((byte, index) => byte === expected[index]);
}

export function readingHandlers(served: Served): Handlers {
	const {volume, mapper, config, shown, nodes} = served;
	const entries = new EntryWriter(volume, shown, inode => served.nodes.remember(inode));

	/** What a file handle leads to, which may be long gone: no corruption, but a stale handle. */
	const lookupSelf = (request: Request, reply: Reply): number => {
		try {
			return putEntry(reply, served.inode(request), served);
		} catch (error) {
			if (error instanceof CorruptError) return -errno.ESTALE;
			throw error;
		}
	};

	const readDirectory = (request: Request, reply: Reply, isPlus: boolean): number =>
		entries.write(reply, served.directory(request), request.u64(readIn.at.offset), isPlus);

	return {
		lookup(request, reply) {
			const name = nameOf(request);
			if (isName(name, dot)) return lookupSelf(request, reply);
			const directory = served.directory(request);
			const found = lookup(volume, directory, name);
			if (found === undefined) return putNoEntry(reply);
			// `..` of the root is the root, which file handles need; no other name may lead there.
			if (found.inode === rootInode && !isName(name, dotDot)) {
				throw new CorruptError('EXT4_BAD_DIRECTORY_ENTRY', 'an entry leads to the root', {
					inode: directory.number,
				});
			}
			return putEntry(reply, volume.readInode(found.inode), served);
		},

		getattr(request, reply) {
			// Asked through an open file it is, as a rule, write(2) that waits for the answer.
			if ((request.u32(getattrIn.at.getattr_flags) & getattrOfOpenFile) !== 0) {
				const lost = nodes.takeLostWrite(inodeOfNode(request.nodeId));
				if (lost !== undefined) return -lost;
			}
			return putAttributes(reply, served.inode(request), served);
		},

		statx(request, reply) {
			// Where no inode has room for a birth time, the kernel is better off asking GETATTR, whose
			// answers it remembers whole.
			if (volume.geometry.inodeSize <= inodeSizeWithoutBirth) return -errno.ENOSYS;
			const {view} = reply;
			writeU64(view, payloadAt + statxOut.at.attr_valid, validSeconds);
			writeStatx(view, payloadAt + statxOut.at.stat, served.inode(request), shown);
			return statxOut.sizeBytes;
		},

		readlink(request, reply) {
			const inode = served.inode(request);
			if (inode.type !== 'symlink') return -errno.EINVAL;
			return putBytes(reply, readSymlink(volume, inode));
		},

		/** Refused once, so that nothing is ever asked again for opening a file or closing it. */
		open(request, reply) {
			if (!config.direct && !served.isIomap) return -errno.ENOSYS;
			const flags = request.u32(openIn.at.flags);
			const isWriter = (flags & accessMode) !== 0;
			const inode = served.inode(request);
			if (isWriter) assertMayOpenForWriting(inode, (flags & appending) !== 0);
			served.iomap?.opened(inode, isWriter);
			reply.view.setUint32(payloadAt + openOut.at.open_flags, served.openFlags, true);
			return openOut.sizeBytes;
		},

		release(request) {
			served.iomap?.released(served.inode(request));
			return 0;
		},

		read(request, reply) {
			const inode = served.inode(request);
			if (inode.type !== 'file') {
				return inode.type === 'directory' ? -errno.EISDIR : -errno.EINVAL;
			}
			// Cut short, it would be taken for the end of the file, and zeros for what is behind.
			if (request.u32(readIn.at.size) > reply.room) return -errno.EIO;
			const into = reply.bytes.subarray(payloadAt, payloadAt + reply.room);
			return readRange(mapper, inode, request.u64(readIn.at.offset), into);
		},

		lseek(request, reply) {
			// With the kernel's write-back cache a file may hold data that has not come here yet, and
			// the kernel does not write it out before it asks. A hole in its place would be a lie that
			// cp(1) believes; refused, the kernel takes all of a file for data.
			if (served.has('WRITEBACK_CACHE')) return -errno.ENOSYS;
			const inode = served.inode(request);
			const whence = request.u32(lseekIn.at.whence);
			if (whence !== seekWhence.data && whence !== seekWhence.hole) return -errno.EINVAL;
			const wanted = whence === seekWhence.data ? 'data' : 'hole';
			const found = seek(mapper, inode, request.u64(lseekIn.at.offset), wanted);
			if (found === undefined) return -errno.ENXIO;
			writeU64(reply.view, payloadAt + lseekOut.at.offset, found);
			return lseekOut.sizeBytes;
		},

		readdir: (request, reply) => readDirectory(request, reply, false),
		readdirplus: (request, reply) => readDirectory(request, reply, true),

		statfs(request, reply) {
			const statistics = statisticsOf(volume);
			const {blockCount} = config.minixDf ? volume.geometry : statistics;
			const whole = {...statistics, blockCount};
			// What is asked about is not looked at where it can make no difference.
			const asked = volume.features.has('project')
				? withinProject(volume, served.inode(request), whole)
				: whole;
			writeStatistics(reply.view, payloadAt, asked);
			return statfsOut.sizeBytes;
		},
	};
}
