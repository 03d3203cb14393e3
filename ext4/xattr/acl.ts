/**
 * POSIX ACLs in their two forms: ext4's own on the disk (version 1, short entries where no one is
 * named), and the one that getxattr and setxattr carry (version 2, all entries alike).
 * Kernel documentation, "POSIX ACLs".
 */
import {CorruptError, FileError, type Place} from '../errors.ts';
import {aclShortEntrySize, aclVersion, ext4_acl_entry, ext4_acl_header} from '../layout/xattr.ts';

export type AclEntry = {
	readonly kind: 'owner' | 'user' | 'group' | 'namedGroup' | 'mask' | 'other';
	/** Read 4, write 2, execute 1. */
	readonly permissions: number;
	/** Of a `user` or a `namedGroup`; undefined for all others, which name no one. */
	readonly id: number | undefined;
};

const tagOfKind = {
	owner: 0x01,
	user: 0x02,
	group: 0x04,
	namedGroup: 0x08,
	mask: 0x10,
	other: 0x20,
} as const;

const kindOfTag = new Map<number, AclEntry['kind']>([
	[0x01, 'owner'],
	[0x02, 'user'],
	[0x04, 'group'],
	[0x08, 'namedGroup'],
	[0x10, 'mask'],
	[0x20, 'other'],
]);

const wireVersion = 2;
const wireHeaderSize = 4;
const wireEntrySize = 8;
/** Stands where no one is named. */
const nobodyId = 0xffff_ffff;

function namesSomeone(kind: AclEntry['kind']): boolean {
	return kind === 'user' || kind === 'namedGroup';
}

function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads ext4's form. Throws `CorruptError` with EXT4_BAD_ACL. */
export function parseDiskAcl(bytes: Uint8Array, place: Place): AclEntry[] {
	const bad = (problem: string, offset: number) =>
		new CorruptError('EXT4_BAD_ACL', problem, {...place, offset});
	const view = viewOf(bytes);
	if (bytes.length < ext4_acl_header.sizeBytes) throw bad(`an ACL of ${bytes.length} bytes`, 0);
	const version = ext4_acl_header.at(view, 0).a_version;
	if (version !== aclVersion) throw bad(`an ACL of version ${version}`, 0);
	const entries: AclEntry[] = [];
	for (let at = ext4_acl_header.sizeBytes; at < bytes.length; ) {
		if (bytes.length - at < aclShortEntrySize) throw bad('an ACL that ends within an entry', at);
		const raw = ext4_acl_entry.at(view, at);
		const kind = kindOfTag.get(raw.e_tag);
		if (kind === undefined) throw bad(`an ACL entry with the tag ${raw.e_tag}`, at);
		const isLong = namesSomeone(kind);
		const size = isLong ? ext4_acl_entry.sizeBytes : aclShortEntrySize;
		if (bytes.length - at < size) throw bad('an ACL that ends within an entry', at);
		entries.push({kind, permissions: raw.e_perm, id: isLong ? raw.e_id : undefined});
		at += size;
	}
	return entries;
}

/** Makes ext4's form. */
export function formatDiskAcl(entries: readonly AclEntry[]): Uint8Array {
	const long = entries.filter(entry => namesSomeone(entry.kind)).length;
	const short = entries.length - long;
	const bytes = new Uint8Array(
		ext4_acl_header.sizeBytes + short * aclShortEntrySize + long * ext4_acl_entry.sizeBytes,
	);
	const view = viewOf(bytes);
	view.setUint32(0, aclVersion, true);
	let at = ext4_acl_header.sizeBytes;
	for (const {kind, permissions, id} of entries) {
		view.setUint16(at, tagOfKind[kind], true);
		view.setUint16(at + 2, permissions, true);
		if (namesSomeone(kind)) view.setUint32(at + 4, id ?? nobodyId, true);
		at += namesSomeone(kind) ? ext4_acl_entry.sizeBytes : aclShortEntrySize;
	}
	return bytes;
}

/** Reads the form that setxattr gets. Throws `FileError` EINVAL: these bytes come from a caller. */
export function parseWireAcl(bytes: Uint8Array): AclEntry[] {
	const bad = (problem: string) => new FileError('EINVAL', problem);
	const count = (bytes.length - wireHeaderSize) / wireEntrySize;
	if (count < 0 || !Number.isInteger(count)) throw bad(`an ACL of ${bytes.length} bytes`);
	const view = viewOf(bytes);
	const version = view.getUint32(0, true);
	if (version !== wireVersion) throw bad(`an ACL of version ${version}; expected ${wireVersion}`);
	const entries: AclEntry[] = [];
	for (let at = wireHeaderSize; at < bytes.length; at += wireEntrySize) {
		const tag = view.getUint16(at, true);
		const kind = kindOfTag.get(tag);
		if (kind === undefined) throw bad(`an ACL entry with the tag ${tag}`);
		const id = namesSomeone(kind) ? view.getUint32(at + 4, true) : undefined;
		entries.push({kind, permissions: view.getUint16(at + 2, true), id});
	}
	return entries;
}

/** Makes the form that getxattr gives. */
export function formatWireAcl(entries: readonly AclEntry[]): Uint8Array {
	const bytes = new Uint8Array(wireHeaderSize + entries.length * wireEntrySize);
	const view = viewOf(bytes);
	view.setUint32(0, wireVersion, true);
	entries.forEach(({kind, permissions, id}, index) => {
		const at = wireHeaderSize + index * wireEntrySize;
		view.setUint16(at, tagOfKind[kind], true);
		view.setUint16(at + 2, permissions, true);
		view.setUint32(at + 4, id ?? nobodyId, true);
	});
	return bytes;
}
