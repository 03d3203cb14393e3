/**
 * Changing what chattr(1) and lsattr(1) deal with: inode flags, the project, the generation. The
 * rules are those of the kernel's ext4 and of its VFS.
 */
import {isImmutable} from './attributes-binding.ts';
import {isEmptyDirectory} from './directory/write.ts';
import {FileError} from './errors.ts';
import type {Handle} from './journal/handle.ts';
import {
	directoryFlags,
	type Inode,
	inodeBaseSize,
	inodeFlags,
	specialFileFlags,
} from './layout/inode.ts';
import {transferQuota} from './quota/charge.ts';
import type {Volume} from './volume.ts';

export type FlagsCaller = {
	/** May set and clear what binds root too: immutable and append-only. */
	readonly isPrivileged: boolean;
};

/** EXT4_FL_USER_VISIBLE: all but what is only for the file system itself. */
const visibleFlags = 0x725b_dfff;
/** EXT4_FL_USER_MODIFIABLE. */
const modifiableFlags = 0x624b_c0ff;
const bindingFlags = inodeFlags.immutable | inodeFlags.appendOnly;
/** FS_COMMON_FL: what FSSETXATTR can say anything of. */
const commonFlags =
	inodeFlags.synchronous |
	inodeFlags.immutable |
	inodeFlags.appendOnly |
	inodeFlags.noDump |
	inodeFlags.noAtime |
	inodeFlags.dax |
	inodeFlags.projectInherit;

/** The flags that users are shown, as FS_IOC_GETFLAGS has them. */
export function shownFlags(inode: Inode): number {
	// On a file the flag would mean nothing, and the kernel does not show it there.
	const hidden = inode.type === 'file' ? inodeFlags.projectInherit : 0;
	return inode.flags & visibleFlags & ~hidden;
}

function isReserved(volume: Volume, inode: Inode): boolean {
	const {quotaInodes} = volume.superblock;
	return (
		inode.number === quotaInodes.user ||
		inode.number === quotaInodes.group ||
		inode.number === quotaInodes.project
	);
}

function allowedFlags(inode: Inode): number {
	if (inode.type === 'directory') return ~0;
	return inode.type === 'file' ? ~directoryFlags : specialFileFlags;
}

function assertMayChangeFlags(
	volume: Volume,
	inode: Inode,
	wanted: number,
	caller: FlagsCaller,
): void {
	const changed = (wanted ^ inode.flags) & modifiableFlags;
	if ((changed & bindingFlags) !== 0 && !caller.isPrivileged) {
		throw new FileError('EPERM', 'immutable and append-only are for the privileged');
	}
	if ((wanted & ~allowedFlags(inode)) !== 0) {
		throw new FileError('EOPNOTSUPP', `a ${inode.type} does not have such flags`);
	}
	const staysImmutable = isImmutable(inode) && (wanted & inodeFlags.immutable) !== 0;
	if (staysImmutable && changed !== 0) throw new FileError('EPERM', 'the inode is immutable');
	if (isReserved(volume, inode)) throw new FileError('EPERM', 'the inode is reserved');
	if ((changed & inodeFlags.journalData) !== 0) {
		throw new FileError('EOPNOTSUPP', "a file's data does not go through the journal here");
	}
	if ((changed & inodeFlags.extents) !== 0) {
		throw new FileError('EOPNOTSUPP', 'files are not converted between extents and block maps');
	}
	if ((changed & inodeFlags.casefold) !== 0) assertMayFold(volume, inode);
}

function assertMayFold(volume: Volume, inode: Inode): void {
	if (!volume.features.has('casefold')) {
		throw new FileError('EOPNOTSUPP', 'the file system does not have casefold');
	}
	if (inode.type !== 'directory') throw new FileError('ENOTDIR', 'only names are folded');
	if (!isEmptyDirectory(volume, inode)) {
		throw new FileError('ENOTEMPTY', 'only an empty directory can begin or end to fold names');
	}
}

/**
 * Sets an inode's flags to `flags`, as FS_IOC_SETFLAGS does: those that are visible but not to be
 * set are passed over. The caller owns the inode or may act for who does.
 *
 * Throws `FileError` EPERM for what needs privileges and for an immutable inode, EOPNOTSUPP for
 * flags that there are not, or not on such an inode, or not here; ENOTDIR and ENOTEMPTY for casefold.
 */
export function setFlags(handle: Handle, inode: Inode, flags: number, caller: FlagsCaller): void {
	if ((flags & ~visibleFlags) !== 0) throw new FileError('EOPNOTSUPP', 'there is no such flag');
	const wanted = flags & modifiableFlags;
	assertMayChangeFlags(handle.volume, inode, wanted, caller);
	const edited = handle.edit(inode);
	edited.flags = ((inode.flags & ~modifiableFlags) | wanted) >>> 0;
	edited.changeTime = handle.now;
}

/**
 * Sets flags and the project, as FS_IOC_FSSETXATTR does; `commonFlagsWanted` are inode flags, of
 * those that struct fsxattr has words for. Throws as `setFlags`; EOPNOTSUPP for a project where the
 * image has none, EDQUOT.
 */
export function setFsxattr(
	handle: Handle,
	inode: Inode,
	commonFlagsWanted: number,
	projectId: number,
	caller: FlagsCaller,
): void {
	const isFixed = isImmutable(inode) && (commonFlagsWanted & inodeFlags.immutable) !== 0;
	if (isFixed && projectId !== inode.projectId) {
		throw new FileError('EPERM', 'the inode is immutable');
	}
	const kept = shownFlags(inode) & ~commonFlags;
	setFlags(handle, inode, kept | commonFlagsWanted, caller);
	setProject(handle, inode, projectId);
}

function setProject(handle: Handle, inode: Inode, projectId: number): void {
	if (projectId === inode.projectId) return;
	const {volume} = handle;
	const projectEnd = 0xa0;
	if (
		!volume.features.has('project') ||
		inodeBaseSize + inode.extraSizeBytes < projectEnd ||
		isReserved(volume, inode)
	) {
		throw new FileError('EOPNOTSUPP', 'the inode has no room for a project');
	}
	transferQuota(handle, inode, {projectId});
	handle.edit(inode).projectId = projectId;
}

/**
 * Sets the generation, as FS_IOC_SETVERSION does. Throws `FileError` ENOTTY with metadata_csum, as
 * the kernel: every checksum of the inode's blocks depends on it.
 */
export function setGeneration(handle: Handle, inode: Inode, generation: number): void {
	if (handle.volume.features.has('metadata_csum')) {
		throw new FileError('ENOTTY', 'checksums of metadata depend on the generation');
	}
	const edited = handle.edit(inode);
	edited.generation = generation;
	edited.changeTime = handle.now;
}
