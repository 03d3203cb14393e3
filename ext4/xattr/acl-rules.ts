/**
 * What POSIX ACLs mean beside an inode's mode, on lists alone: acl(5), and the kernel's
 * posix_acl.c for the details.
 */
import type {AclEntry} from './acl.ts';

const noId = 0xffff_ffff;

/** The order that entries must have. */
const rankOfKind = {owner: 0, user: 1, group: 2, namedGroup: 3, mask: 4, other: 5} as const;

/**
 * What is wrong with an ACL: entries missing, twice there or out of order, no mask to bound named
 * ones, permissions and ids that can't be. Undefined where nothing is.
 */
export function aclProblem(acl: readonly AclEntry[]): string | undefined {
	let rank = -1;
	const seen = new Set<AclEntry['kind']>();
	for (const {kind, permissions, id} of acl) {
		if (permissions > 7) return `an ACL with the permissions ${permissions}`;
		const isNamed = kind === 'user' || kind === 'namedGroup';
		if (isNamed && (id === undefined || id === noId)) return 'an ACL that names no one';
		if (rankOfKind[kind] < rank) return 'an ACL out of order';
		if (!isNamed && seen.has(kind)) return `an ACL with two entries for ${kind}`;
		rank = rankOfKind[kind];
		seen.add(kind);
	}
	for (const kind of ['owner', 'group', 'other'] as const) {
		if (!seen.has(kind)) return `an ACL without an entry for ${kind}`;
	}
	const needsMask = seen.has('user') || seen.has('namedGroup');
	return needsMask && !seen.has('mask') ? 'an ACL that names someone, without a mask' : undefined;
}

function permissionsOf(acl: readonly AclEntry[], kind: AclEntry['kind']): number | undefined {
	return acl.find(entry => entry.kind === kind)?.permissions;
}

/** The nine bits of a mode that show a valid ACL: the group's are those of the mask. */
export function modeOfAcl(acl: readonly AclEntry[]): number {
	const group = permissionsOf(acl, 'mask') ?? permissionsOf(acl, 'group') ?? 0;
	return (
		((permissionsOf(acl, 'owner') ?? 0) << 6) | (group << 3) | (permissionsOf(acl, 'other') ?? 0)
	);
}

/** Whether the mode alone says all that the ACL does. */
export function isJustMode(acl: readonly AclEntry[]): boolean {
	return acl.every(({kind}) => kind === 'owner' || kind === 'group' || kind === 'other');
}

/** The entry whose permissions the group's bits of a mode stand for. */
function groupKind(acl: readonly AclEntry[]): AclEntry['kind'] {
	return acl.some(({kind}) => kind === 'mask') ? 'mask' : 'group';
}

/** The bits of `mode` for an entry; undefined for one that the mode does not show. */
function bitsFor(kind: AclEntry['kind'], groups: AclEntry['kind'], mode: number) {
	if (kind === 'owner') return (mode >> 6) & 7;
	if (kind === 'other') return mode & 7;
	return kind === groups ? (mode >> 3) & 7 : undefined;
}

/** The ACL after a chmod to `mode`. */
export function aclWithMode(acl: readonly AclEntry[], mode: number): AclEntry[] {
	const groups = groupKind(acl);
	return acl.map(entry => ({
		...entry,
		permissions: bitsFor(entry.kind, groups, mode) ?? entry.permissions,
	}));
}

/**
 * The access ACL of a new inode asked for with `mode`, in a directory with this default ACL: it
 * grants no more than either.
 */
export function inheritedAcl(defaults: readonly AclEntry[], mode: number): AclEntry[] {
	const groups = groupKind(defaults);
	return defaults.map(entry => ({
		...entry,
		permissions: entry.permissions & (bitsFor(entry.kind, groups, mode) ?? 7),
	}));
}
