/** POSIX ACLs in the model: one shape of them, in the form of setxattr(2). acl(5). */

/** Permissions of each entry; `user` and `mask` are both there or both not. */
export type ModelAcl = {
	readonly owner: number;
	readonly user?: {readonly id: number; readonly permissions: number};
	readonly group: number;
	readonly mask?: number;
	readonly other: number;
};

const tags = {owner: 1, user: 2, group: 4, mask: 16, other: 32} as const;
const nobody = 0xffff_ffff;

export function wireForm(acl: ModelAcl): Uint8Array {
	const entries: [number, number, number][] = [[tags.owner, acl.owner, nobody]];
	if (acl.user !== undefined) entries.push([tags.user, acl.user.permissions, acl.user.id]);
	entries.push([tags.group, acl.group, nobody]);
	if (acl.mask !== undefined) entries.push([tags.mask, acl.mask, nobody]);
	entries.push([tags.other, acl.other, nobody]);
	const bytes = new Uint8Array(4 + 8 * entries.length);
	const view = new DataView(bytes.buffer);
	view.setUint32(0, 2, true);
	entries.forEach(([tag, permissions, id], index) => {
		view.setUint16(4 + 8 * index, tag, true);
		view.setUint16(6 + 8 * index, permissions, true);
		view.setUint32(8 + 8 * index, id, true);
	});
	return bytes;
}

/** Undefined where the mode says all of it. */
export function storedForm(acl: ModelAcl): ModelAcl | undefined {
	return acl.mask === undefined ? undefined : acl;
}

/** The nine bits that the ACL makes of a mode. */
export function modeOf(acl: ModelAcl): number {
	return (acl.owner << 6) | ((acl.mask ?? acl.group) << 3) | acl.other;
}

/** What chmod(2) makes of the ACL. */
export function withMode(acl: ModelAcl, mode: number): ModelAcl {
	const middle = (mode >> 3) & 7;
	const changed = acl.mask === undefined ? {group: middle} : {mask: middle};
	return {...acl, owner: (mode >> 6) & 7, other: mode & 7, ...changed};
}

/** The access ACL of a file that is made with `mode` in a directory with that default ACL. */
export function inherited(acl: ModelAcl, mode: number): ModelAcl {
	const middle = (mode >> 3) & 7;
	const bounded = acl.mask === undefined ? {group: acl.group & middle} : {mask: acl.mask & middle};
	return {...acl, owner: acl.owner & (mode >> 6) & 7, other: acl.other & mode & 7, ...bounded};
}
