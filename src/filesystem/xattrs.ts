/** Extended attributes, access control lists among them, whose owners are mapped both ways. */
import {
	getXattr,
	listXattrs,
	removeXattr,
	setXattr,
	type XattrMode,
	xattrCredits,
} from '../../ext4/index.ts';
import {inodeOfNode} from '../attributes.ts';
import {errno} from '../errno.ts';
import type {Handlers} from '../fuse/connection.ts';
import {setxattrExtIn, setxattrFlags} from '../fuse/layout.ts';
import type {Request} from '../fuse/message.ts';
import {showAclOwners, storeAclOwners} from '../owners.ts';
import {putSized} from './replies.ts';
import type {Served} from './served.ts';

const accessAcl = 'system.posix_acl_access';
const defaultAcl = 'system.posix_acl_default';
const trustedPrefix = 'trusted.';

/** Flags of setxattr(2). */
const modes = new Map<number, XattrMode>([
	[0, 'any'],
	[1, 'create'],
	[2, 'replace'],
]);

/** Names of attributes are strings of one character a byte. */
function attributeName(request: Request): string {
	return Buffer.from(request.name()).toString('latin1');
}

function isAcl(name: string): boolean {
	return name === accessAcl || name === defaultAcl;
}

export function xattrReadingHandlers(served: Served): Handlers {
	const {volume, owners} = served;
	return {
		getxattr(request, reply) {
			const name = attributeName(request);
			const value = getXattr(volume, served.inode(request), name);
			if (value === undefined) return -errno.ENODATA;
			if (!isAcl(name)) return putSized(request, reply, value);
			const acl = value.slice();
			showAclOwners(acl, owners);
			return putSized(request, reply, acl);
		},

		listxattr(request, reply) {
			const names = listXattrs(volume, served.inode(request)).map(each => each.name);
			// As the kernel's ext4: these can only be read by root, and need not be heard of by others.
			const shown =
				request.uid === 0 ? names : names.filter(name => !name.startsWith(trustedPrefix));
			const list = shown.map(name => `${name}\0`).join('');
			return putSized(request, reply, Buffer.from(list, 'latin1'));
		},
	};
}

export function xattrWritingHandlers(served: Served): Handlers {
	const {volume, owners, nodes} = served;

	/** An access list carries the mode; the kernel hears of that only where it checks lists itself. */
	const tellOfMode = (request: Request, name: string): void => {
		if (name === accessAcl && !served.has('POSIX_ACL')) served.invalidateAttributes(request.nodeId);
	};

	return {
		setxattr(request) {
			const {at} = setxattrExtIn;
			const name = attributeName(request);
			const mode = modes.get(request.u32(at.flags));
			const given = request.data();
			if (mode === undefined || given.length !== request.u32(at.size)) return -errno.EINVAL;
			const value = isAcl(name) ? given.slice() : given;
			if (isAcl(name)) storeAclOwners(value, owners);
			const clearsSetgid =
				served.has('SETXATTR_EXT') &&
				(request.u32(at.setxattr_flags) & setxattrFlags.aclKillSgid) !== 0;
			const inode = volume.transact(
				handle => {
					const found = nodes.read(inodeOfNode(request.nodeId));
					setXattr(handle, found, name, value, mode, {clearsSetgid});
					handle.edit(found).changeTime = handle.now;
					return found;
				},
				{
					mayUseReserved: served.mayUseReserved(request.uid),
					credits: xattrCredits(volume, value.length),
				},
			);
			tellOfMode(request, name);
			served.settle(inode);
			return 0;
		},

		removexattr(request) {
			const name = attributeName(request);
			const inode = served.transact(request, handle => {
				const found = served.inode(request);
				removeXattr(handle, found, name);
				handle.edit(found).changeTime = handle.now;
				return found;
			});
			tellOfMode(request, name);
			served.settle(inode);
			return 0;
		},
	};
}
