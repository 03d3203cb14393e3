/**
 * Whose a file is shown to be. Owners are as the image says, unless the mount maps them: an
 * ordinary user can't own files of somebody else, but may well look at an image full of them.
 */
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
	const view = new DataView(acl.buffer, acl.byteOffset, acl.byteLength);
	for (let at = aclHeaderBytes; at + aclEntryBytes <= acl.length; at += aclEntryBytes) {
		const tag = view.getUint16(at, true);
		const id = view.getUint32(at + 4, true);
		if (tag === aclTagUser) view.setUint32(at + 4, owners.users.shown(id), true);
		if (tag === aclTagGroup) view.setUint32(at + 4, owners.groups.shown(id), true);
	}
}
