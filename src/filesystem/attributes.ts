/** SETATTR: mode, owners, times and the size. */
import {
	type AttributeChanges,
	assertMayChange,
	assertMayWrite,
	type Handle,
	type Inode,
	setAttributes,
	type Timestamp,
} from '../../ext4/index.ts';
import {truncate} from '../../iomap/index.ts';
import {inodeOfNode} from '../attributes.ts';
import type {Handlers} from '../fuse/connection.ts';
import {setattrIn, setattrValid} from '../fuse/layout.ts';
import type {Request} from '../fuse/message.ts';
import {storedOwners} from '../owners.ts';
import {putAttributes} from './replies.ts';
import {type Served, timeAt} from './served.ts';

type Writable<T> = {-readonly [Name in keyof T]: T[Name]};

const permissionBits = 0o7777;
const {at} = setattrIn;

/** What else than the size counts as a change that was asked for. */
const otherThanSize =
	setattrValid.mode |
	setattrValid.uid |
	setattrValid.gid |
	setattrValid.atime |
	setattrValid.mtime |
	setattrValid.ctime;

/** The time that is asked for; undefined where none is. */
function askedTime(
	request: Request,
	valid: number,
	bits: {readonly given: number; readonly now: number},
	places: {readonly seconds: number; readonly nanoseconds: number},
	now: Timestamp,
): Timestamp | undefined {
	if ((valid & bits.now) !== 0) return now;
	if ((valid & bits.given) === 0) return undefined;
	return timeAt(request, places.seconds, places.nanoseconds);
}

function timesOf(request: Request, valid: number, now: Timestamp): AttributeChanges {
	const access = askedTime(
		request,
		valid,
		{given: setattrValid.atime, now: setattrValid.atimeNow},
		{seconds: at.atime, nanoseconds: at.atimensec},
		now,
	);
	const modification = askedTime(
		request,
		valid,
		{given: setattrValid.mtime, now: setattrValid.mtimeNow},
		{seconds: at.mtime, nanoseconds: at.mtimensec},
		now,
	);
	const change =
		(valid & setattrValid.ctime) === 0 ? undefined : timeAt(request, at.ctime, at.ctimensec);
	return {
		...(access === undefined ? {} : {accessTime: access}),
		...(modification === undefined ? {} : {modificationTime: modification}),
		...(change === undefined ? {} : {changeTime: change}),
	};
}

/**
 * What the inode's flags forbid. That the time of the last change is carried after, as the kernel
 * does for a file that it has written to, is no change of a caller's; and where it moves the data
 * itself, knows the flags and keeps all three times, neither is that of the last access.
 */
function assertAllowed(inode: Inode, valid: number, isMoved: boolean): void {
	const carried = setattrValid.mtime | setattrValid.ctime | (isMoved ? setattrValid.atime : 0);
	const isCarriedAfter = (valid & otherThanSize & ~carried) === 0;
	// With its write-back cache the kernel says which time of change "now" was.
	const isTouch =
		(valid & (setattrValid.mode | setattrValid.uid | setattrValid.gid)) === 0 &&
		((valid & setattrValid.atime) === 0 || (valid & setattrValid.atimeNow) !== 0);
	if (isCarriedAfter) return;
	if (isTouch) assertMayWrite(inode, Number.POSITIVE_INFINITY);
	else assertMayChange(inode);
}

export function attributeHandlers(served: Served): Handlers {
	const {volume, mapper, nodes, owners} = served;

	const changesOf = (
		handle: Handle,
		inode: Inode,
		request: Request,
		valid: number,
	): AttributeChanges => {
		const wanted: Writable<Partial<{uid: number; gid: number}>> = {};
		if ((valid & setattrValid.uid) !== 0) wanted.uid = request.u32(at.uid);
		if ((valid & setattrValid.gid) !== 0) wanted.gid = request.u32(at.gid);
		const isMode = (valid & setattrValid.mode) !== 0;
		const isKilling = (valid & setattrValid.killSuidGid) !== 0;
		return {
			...timesOf(request, valid, handle.now),
			...storedOwners(owners, inode, wanted),
			...(isMode ? {mode: request.u32(at.mode) & permissionBits} : {}),
			...(isKilling ? {killsPrivileges: true} : {}),
		};
	};

	const resize = (request: Request, number: number): void => {
		const size = request.u64(at.size);
		assertMayChange(nodes.read(number));
		served.iomap?.giveBack(number);
		truncate(mapper, number, size, {mayUseReserved: served.mayUseReserved(request.uid)});
	};

	return {
		setattr(request, reply) {
			const number = inodeOfNode(request.nodeId);
			let valid = request.u32(at.valid);
			if ((valid & setattrValid.size) !== 0) {
				const isOther = nodes.read(number).sizeBytes !== request.u64(at.size);
				resize(request, number);
				// A kernel that does not keep the times of files itself leaves them to us.
				const isTimeGiven = (valid & (setattrValid.mtime | setattrValid.mtimeNow)) !== 0;
				if (isOther && !isTimeGiven) valid |= setattrValid.mtime | setattrValid.mtimeNow;
			}
			const isOther = (valid & (otherThanSize | setattrValid.killSuidGid)) !== 0;
			const inode = !isOther
				? nodes.read(number)
				: volume.transact(
						handle => {
							const found = nodes.read(number);
							if ((valid & setattrValid.size) === 0)
								assertAllowed(found, valid, served.iomap?.isMoved(found) === true);
							setAttributes(handle, found, changesOf(handle, found, request, valid));
							return found;
						},
						{mayUseReserved: served.mayUseReserved(request.uid)},
					);
			served.settle(inode);
			return putAttributes(reply, inode, served);
		},
	};
}
