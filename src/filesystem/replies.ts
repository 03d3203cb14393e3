/** Payloads that several operations have in common; each function returns the payload's length. */
import type {Inode} from '../../ext4/index.ts';
import {validSeconds, writeAttributes, writeEntry} from '../attributes.ts';
import {errno} from '../errno.ts';
import {attrOut, entryOut, getxattrOut, ioctlOut, writeU64} from '../fuse/layout.ts';
import {payloadAt, type Reply, type Request} from '../fuse/message.ts';
import type {Served} from './served.ts';

export function putBytes(reply: Reply, bytes: Uint8Array): number {
	if (bytes.length > reply.room) return -errno.EIO;
	reply.bytes.set(bytes, payloadAt);
	return bytes.length;
}

/** The value of an attribute, or its size where the request has no room at all. */
export function putSized(request: Request, reply: Reply, value: Uint8Array): number {
	if (request.u32(0) === 0) {
		reply.view.setUint32(payloadAt + getxattrOut.at.size, value.length, true);
		reply.view.setUint32(payloadAt + getxattrOut.sizeBytes - 4, 0, true);
		return getxattrOut.sizeBytes;
	}
	if (value.length > reply.room) return -errno.ERANGE;
	return putBytes(reply, value);
}

export function putIoctl(reply: Reply, bytes: Uint8Array, result: number): number {
	const length = ioctlOut.sizeBytes + bytes.length;
	if (length > reply.room) return -errno.EINVAL;
	reply.view.setInt32(payloadAt + ioctlOut.at.result, result, true);
	reply.bytes.set(bytes, payloadAt + ioctlOut.sizeBytes);
	return length;
}

export function putAttributes(reply: Reply, inode: Inode, served: Served): number {
	const {view} = reply;
	writeU64(view, payloadAt + attrOut.at.attr_valid, validSeconds);
	writeAttributes(view, payloadAt + attrOut.at.attr, inode, served.shown);
	return attrOut.sizeBytes;
}

/** A name's inode: from now on the kernel knows of it. */
export function putEntry(reply: Reply, inode: Inode, served: Served): number {
	writeEntry(reply.view, payloadAt, inode, served.shown);
	served.nodes.remember(inode.number);
	return entryOut.sizeBytes;
}

/** Node 0 that stays valid: the kernel remembers that there is no such name. */
export function putNoEntry(reply: Reply): number {
	writeU64(reply.view, payloadAt + entryOut.at.entry_valid, validSeconds);
	return entryOut.sizeBytes;
}
