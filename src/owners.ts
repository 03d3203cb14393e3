/**
 * Whose a file is shown to be. Owners are as the image says, unless the mount maps them: an
 * ordinary user can't own files of somebody else, but may well look at an image full of them.
 */
import {FileError} from '../ext4/index.ts';
import type {IdRange, OwnerMap} from './mount/server-config.ts';

/** Shown for an id that no range maps: the kernel's own overflow id, "nobody". */
export const unmappedId = 65_534;

type IdMap = {
	/** From the image's id to the one that is shown. */
	shown(id: number): number;
	/** Back again; undefined where no id of the image is shown so. */
	stored(id: number): number | undefined;
};

export type Owners = {readonly users: IdMap; readonly groups: IdMap};

const identity: IdMap = {shown: id => id, stored: id => id};

/** All is shown as one; what that was in the image can't be told any more. */
function constantly(owner: number): IdMap {
	return {shown: () => owner, stored: () => undefined};
}

function ranged(ranges: readonly IdRange[]): IdMap {
	// Files of one owner come in droves: the range of the last one is tried first.
	let last = ranges[0];
	const holds = (range: IdRange, id: number) => id >= range.image && id - range.image < range.count;
	return {
		shown(id) {
			if (last === undefined || !holds(last, id)) {
				const found = ranges.find(range => holds(range, id));
				if (found === undefined) return unmappedId;
				last = found;
			}
			return last.host + id - last.image;
		},
		stored(id) {
			const range = ranges.find(each => id >= each.host && id - each.host < each.count);
			return range === undefined ? undefined : range.image + id - range.host;
		},
	};
}

export function ownersOf(map: OwnerMap): Owners {
	switch (map.kind) {
		case 'image':
			return {users: identity, groups: identity};
		case 'owner':
			return {
				users: map.uid === null ? identity : constantly(map.uid),
				groups: map.gid === null ? identity : constantly(map.gid),
			};
		case 'ranges': {
			return {users: ranged(map.ranges), groups: ranged(map.ranges)};
		}
	}
}

// The value of system.posix_acl_access and _default, as the kernel's interface has it: a version,
// then entries of a tag, permissions and an id. linux/posix_acl_xattr.h.
const aclHeaderBytes = 4;
const aclEntryBytes = 8;
const aclTagUser = 0x02;
const aclTagGroup = 0x08;

/** Maps the users and groups named in an access control list, in place. */
export function showAclOwners(acl: Uint8Array, owners: Owners): void {
	mapAclOwners(acl, (map, id) => map.shown(id), owners);
}

/**
 * Maps those named in an access control list that is to be stored back to who they are in the
 * image, in place. Throws `FileError` EPERM where one of them is no one there.
 */
export function storeAclOwners(acl: Uint8Array, owners: Owners): void {
	mapAclOwners(acl, storedId, owners);
}

function storedId(map: IdMap, id: number): number {
	const stored = map.stored(id);
	if (stored === undefined) throw new FileError('EPERM', `the image has no owner shown as ${id}`);
	return stored;
}

export type OwnerIds = {readonly uid: number; readonly gid: number};

/**
 * What a chown to `wanted`, as shown, is in the image. An id that is shown already stays what it
 * is, which no mapping could tell. Throws `FileError` EPERM for an id that nobody of the image is
 * shown as.
 */
export function storedOwners(
	owners: Owners,
	current: OwnerIds,
	wanted: Partial<OwnerIds>,
): Partial<OwnerIds> {
	const {uid, gid} = wanted;
	const changes: {uid?: number; gid?: number} = {};
	if (uid !== undefined && owners.users.shown(current.uid) !== uid) {
		changes.uid = storedId(owners.users, uid);
	}
	if (gid !== undefined && owners.groups.shown(current.gid) !== gid) {
		changes.gid = storedId(owners.groups, gid);
	}
	return changes;
}

/**
 * Whose a new file is in the image: who makes it, where the mapping can tell who that is there; else
 * whom `create=` names, or the owner of the directory.
 */
export function ownersOfNew(
	owners: Owners,
	maker: OwnerIds,
	directory: OwnerIds,
	create?: OwnerIds,
): OwnerIds {
	const fallback = create ?? directory;
	return {
		uid: owners.users.stored(maker.uid) ?? fallback.uid,
		gid: owners.groups.stored(maker.gid) ?? fallback.gid,
	};
}

function mapAclOwners(
	acl: Uint8Array,
	mapped: (map: IdMap, id: number) => number,
	owners: Owners,
): void {
	const view = new DataView(acl.buffer, acl.byteOffset, acl.byteLength);
	for (let at = aclHeaderBytes; at + aclEntryBytes <= acl.length; at += aclEntryBytes) {
		const tag = view.getUint16(at, true);
		const id = view.getUint32(at + 4, true);
		if (tag === aclTagUser) view.setUint32(at + 4, mapped(owners.users, id), true);
		if (tag === aclTagGroup) view.setUint32(at + 4, mapped(owners.groups, id), true);
	}
}
