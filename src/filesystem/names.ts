/** Operations on names: what is made, linked, renamed and removed. */
import {
	createFile,
	type Handle,
	type Inode,
	link,
	makeNode,
	mkdir,
	type NewFile,
	rename,
	rmdir,
	symlink,
	tmpfile,
	unlink,
} from '../../ext4/index.ts';
import {inodeOfNode} from '../attributes.ts';
import {errno} from '../errno.ts';
import type {Handlers} from '../fuse/connection.ts';
import {
	createIn,
	createOut,
	linkIn,
	mkdirIn,
	mknodIn,
	openOut,
	rename2In,
	renameIn,
} from '../fuse/layout.ts';
import {payloadAt, type Reply, type Request} from '../fuse/message.ts';
import {ownersOfNew} from '../owners.ts';
import {putEntry} from './replies.ts';
import {nameOf, type Served} from './served.ts';

/** renameat2(2). */
const renameFlags = {noReplace: 1 << 0, exchange: 1 << 1, whiteout: 1 << 2} as const;
const renameFlagsKnown = renameFlags.noReplace | renameFlags.exchange | renameFlags.whiteout;

/** As the kernel's new_decode_dev. */
function deviceOf(encoded: number): {major: number; minor: number} {
	return {
		major: (encoded >>> 8) & 0xfff,
		minor: (encoded & 0xff) | ((encoded >>> 12) & 0xf_ff00),
	};
}

export function nameHandlers(served: Served): Handlers {
	const {config, owners, nodes} = served;

	const newFile = (request: Request, parent: Inode, mode: number, umask: number): NewFile => {
		const maker = {uid: request.uid, gid: request.gid};
		return {mode, umask, ...ownersOfNew(owners, maker, parent, config.create)};
	};

	/** Runs what makes a file in the directory of the request. */
	const make = (
		request: Request,
		operation: (handle: Handle, parent: Inode, name: Uint8Array) => Inode,
	): Inode => {
		const name = nameOf(request);
		const made = served.transact(request, handle => {
			const parent = served.directory(request);
			return {parent, inode: operation(handle, parent, name)};
		});
		served.settleNames(made.parent);
		return made.inode;
	};

	/** What was made is open, too, as far as the kernel is concerned. */
	const putOpen = (reply: Reply, inode: Inode): number => {
		served.iomap?.opened(inode, true);
		const at = payloadAt + createOut.at.open + openOut.at.open_flags;
		reply.view.setUint32(at, served.openFlags, true);
		return createOut.sizeBytes;
	};

	const remove = (
		request: Request,
		operation: (handle: Handle, parent: Inode, name: Uint8Array) => Inode,
	): number => {
		const name = nameOf(request);
		const {parent, inode} = served.transact(request, handle => {
			const found = served.directory(request);
			return {parent: found, inode: operation(handle, found, name)};
		});
		nodes.linksChanged(inode);
		served.settleNames(parent);
		return 0;
	};

	const move = (request: Request, newParentNode: number, flags: number): number => {
		if ((flags & ~renameFlagsKnown) !== 0) return -errno.EINVAL;
		const from = nameOf(request, 0);
		const to = nameOf(request, 1);
		const isExchange = (flags & renameFlags.exchange) !== 0;
		const isOnto = (flags & renameFlags.noReplace) === 0;
		if (isExchange && !isOnto) return -errno.EINVAL;
		const {parent, newParent, other} = served.transact(request, handle => {
			const oldDirectory = served.directory(request);
			const newDirectory = nodes.read(inodeOfNode(newParentNode));
			const {uid, gid} = newFile(request, oldDirectory, 0, 0);
			const result = rename(
				handle,
				{parent: oldDirectory, name: from},
				{parent: newDirectory, name: to},
				{
					kind: isExchange ? 'exchange' : isOnto ? 'replace' : 'noreplace',
					...((flags & renameFlags.whiteout) === 0 ? {} : {whiteout: {uid, gid}}),
				},
			);
			return {parent: oldDirectory, newParent: newDirectory, other: result.other};
		});
		if (other !== undefined) nodes.linksChanged(other);
		served.settleNames(parent, newParent);
		return 0;
	};

	return {
		create(request, reply) {
			// Refused once: the kernel then makes a file by MKNOD and opens it without asking anybody,
			// which is a request less, and a RELEASE less at its end.
			if (!config.direct && !served.isIomap) return -errno.ENOSYS;
			const mode = request.u32(createIn.at.mode);
			const umask = request.u32(createIn.at.umask);
			const inode = make(request, (handle, parent, name) =>
				createFile(handle, parent, name, newFile(request, parent, mode, umask)),
			);
			putEntry(reply, inode, served);
			return putOpen(reply, inode);
		},

		tmpfile(request, reply) {
			const mode = request.u32(createIn.at.mode);
			const umask = request.u32(createIn.at.umask);
			const inode = served.transact(request, handle => {
				const parent = served.directory(request);
				return tmpfile(handle, parent, newFile(request, parent, mode, umask));
			});
			putEntry(reply, inode, served);
			nodes.linksChanged(inode);
			return putOpen(reply, inode);
		},

		mknod(request, reply) {
			const mode = request.u32(mknodIn.at.mode);
			const umask = request.u32(mknodIn.at.umask);
			const device = deviceOf(request.u32(mknodIn.at.rdev));
			const inode = make(request, (handle, parent, name) =>
				makeNode(handle, parent, name, {...newFile(request, parent, mode, umask), device}),
			);
			return putEntry(reply, inode, served);
		},

		mkdir(request, reply) {
			const mode = request.u32(mkdirIn.at.mode);
			const umask = request.u32(mkdirIn.at.umask);
			const inode = make(request, (handle, parent, name) =>
				mkdir(handle, parent, name, newFile(request, parent, mode, umask)),
			);
			return putEntry(reply, inode, served);
		},

		symlink(request, reply) {
			const target = request.name(1);
			const inode = make(request, (handle, parent, name) =>
				symlink(handle, parent, name, target, newFile(request, parent, 0o777, 0)),
			);
			return putEntry(reply, inode, served);
		},

		link(request, reply) {
			const number = inodeOfNode(request.u64(linkIn.at.oldnodeid));
			const inode = make(request, (handle, parent, name) => {
				const linked = nodes.read(number);
				link(handle, linked, parent, name);
				return linked;
			});
			nodes.linksChanged(inode);
			return putEntry(reply, inode, served);
		},

		unlink: request => remove(request, unlink),
		rmdir: request => remove(request, rmdir),

		rename: request => move(request, request.u64(renameIn.at.newdir), 0),
		rename2(request) {
			return move(request, request.u64(rename2In.at.newdir), request.u32(rename2In.at.flags));
		},
	};
}
