/** The contents of files: writing, reserving and freeing space, copying; and making all durable. */

import {isAppendOnly, isImmutable} from '../../ext4/attributes-binding.ts';
import {assertMayWrite, FileError, type Inode, setAttributes} from '../../ext4/index.ts';
import {allocateModes, allocateRange, copyRange, writeFile} from '../../iomap/index.ts';
import {inodeOfNode, nodeOfInode} from '../attributes.ts';
import {errno, errnoOf} from '../errno.ts';
import type {Handlers} from '../fuse/connection.ts';
import {
	copyFileRangeIn,
	copyFileRangeOut,
	fallocateIn,
	writeFlags,
	writeIn,
	writeOut,
	writeU64,
} from '../fuse/layout.ts';
import {payloadAt, type Request} from '../fuse/message.ts';
import type {Served} from './served.ts';

/**
 * What the file's flags forbid. The page cache writes whole pages, those bytes included that were
 * there before: so of a file that may only be appended to it is enough that the write ends behind
 * the end.
 */
function assertAllowed(inode: Inode, position: number, length: number, isCached: boolean): void {
	if (!isCached) {
		assertMayWrite(inode, position);
		return;
	}
	const isBehind = position + length > inode.sizeBytes;
	if (isImmutable(inode) || (isAppendOnly(inode) && !isBehind)) {
		throw new FileError('EPERM', 'the file may not be changed');
	}
}

export function dataHandlers(served: Served): Handlers {
	const {mapper, nodes} = served;

	const durable = (inode?: number): number => {
		served.sync();
		served.iomap?.throwFailure(inode);
		return 0;
	};

	/**
	 * Whether the caller is not of the file's group, as far as one can tell: a request brings one group
	 * of all that a process is in. Then a bit is taken that nobody can use, rather than left.
	 */
	const isStranger = ({gid}: Request, inode: Inode): boolean =>
		gid !== served.owners.groups.shown(inode.gid);

	/** What a change of a file's contents does to the inode beside it. */
	const noteChange = (request: Request, number: number, isKilling: boolean): void => {
		const isOurs = !served.kernelKeepsTimes(nodes.read(number));
		if (!isOurs && !isKilling) return;
		const before = nodes.read(number).mode;
		const inode = served.transact(request, handle => {
			const found = nodes.read(number);
			setAttributes(handle, found, {
				...(isOurs ? {modificationTime: handle.now} : {}),
				...(isKilling ? {killsPrivileges: true, isStranger: isStranger(request, found)} : {}),
			});
			return found;
		});
		if (inode.mode !== before) served.invalidateAttributes(nodeOfInode(number));
	};

	/**
	 * With HANDLE_KILLPRIV_V2 the kernel leaves set-id bits to us, but marks only writes and truncations
	 * by one who may not keep them. Of the rest the id must tell; root is taken to have CAP_FSETID.
	 */
	const mayKeepPrivileges = (request: Request): boolean => request.uid === 0;

	/** Returns how many bytes were copied, which may be less than were asked for. */
	const copy = (request: Request): number => {
		const {at} = copyFileRangeIn;
		// The kernel holds the data, and copies it through its page cache where this is refused.
		if (served.isIomap) return -errno.ENOSYS;
		if (request.u32(at.flags) !== 0) return -errno.EINVAL;
		const to = inodeOfNode(request.u64(at.nodeid_out));
		const position = request.u64(at.off_out);
		assertMayWrite(nodes.read(to), position);
		const copied = copyRange(
			mapper,
			{number: inodeOfNode(request.nodeId), position: request.u64(at.off_in)},
			{number: to, position},
			request.u64(at.len),
			{mayUseReserved: served.mayUseReserved(request.uid)},
		);
		noteChange(request, to, !mayKeepPrivileges(request));
		served.settle(nodes.read(to));
		return copied;
	};

	/**
	 * The page cache has long told the writer that all is well, and would go on to do so: a copy to
	 * a full disk would not end. With its idea of the attributes gone, the kernel asks for them
	 * before it takes the next write, and hears of this one.
	 */
	const noteLost = (nodeId: number, error: unknown): void => {
		nodes.noteLostWrite(inodeOfNode(nodeId), errnoOf(error));
		served.noteRefusedData(error);
		served.invalidateAttributes(nodeId);
	};

	return {
		write(request, reply) {
			const {at} = writeIn;
			const number = inodeOfNode(request.nodeId);
			const position = request.u64(at.offset);
			const bytes = request.data();
			if (bytes.length !== request.u32(at.size)) return -errno.EINVAL;
			const flags = request.u32(at.write_flags);
			const isCached = (flags & writeFlags.cache) !== 0;
			let inode: Inode;
			let done = 0;
			try {
				inode = nodes.read(number);
				assertAllowed(inode, position, bytes.length, isCached);
				// Of what comes from the page cache nobody knows who wrote it: it counts as the owner's.
				const uid = isCached ? inode.uid : request.uid;
				const options = {mayUseReserved: served.mayUseReserved(uid)};
				done = writeFile(mapper, number, position, bytes, options);
				// The page cache takes a short write for a whole one: it is told why the rest failed.
				while (isCached && done < bytes.length) {
					done += writeFile(mapper, number, position + done, bytes.subarray(done), options);
				}
			} catch (error) {
				if (isCached) noteLost(request.nodeId, error);
				throw error;
			}
			noteChange(request, number, (flags & writeFlags.killSuidGid) !== 0);
			served.settle(inode);
			reply.view.setUint32(payloadAt + writeOut.at.size, done, true);
			return writeOut.sizeBytes;
		},

		fallocate(request) {
			const {at} = fallocateIn;
			const number = inodeOfNode(request.nodeId);
			const position = request.u64(at.offset);
			const mode = request.u32(at.mode);
			const inode = nodes.read(number);
			// As the kernel: space behind the end is no change of what may only be appended to.
			const isReserving = (mode & ~allocateModes.keepSize) === 0;
			assertMayWrite(inode, isReserving ? Number.POSITIVE_INFINITY : position);
			const options = {mayUseReserved: served.mayUseReserved(request.uid)};
			const length = request.u64(at.length);
			if ((mode & allocateModes.punchHole) === 0) served.iomap?.claimed(number, position, length);
			allocateRange(mapper, number, position, length, mode, options);
			noteChange(request, number, !mayKeepPrivileges(request));
			served.settle(nodes.read(number));
			return 0;
		},

		copyFileRange(request, reply) {
			const copied = copy(request);
			if (copied < 0) return copied;
			reply.view.setUint32(payloadAt + writeOut.at.size, copied, true);
			return writeOut.sizeBytes;
		},

		copyFileRange64(request, reply) {
			const copied = copy(request);
			if (copied < 0) return copied;
			writeU64(reply.view, payloadAt + copyFileRangeOut.at.bytes_copied, copied);
			return copyFileRangeOut.sizeBytes;
		},

		fsync: request => durable(inodeOfNode(request.nodeId)),
		fsyncdir: request => durable(inodeOfNode(request.nodeId)),
		syncfs: () => durable(),
		destroy() {
			served.iomap?.giveBackAll();
			served.sync();
		},
	};
}
