/** The front door: what other rooms may import. */
export {releaseReservation} from './allocator/blocks.ts';
export {type TrimRange, trimFree} from './allocator/trim.ts';
export {type AttributeChanges, killPrivileges, setAttributes} from './attributes.ts';
export {
	assertMayAddName,
	assertMayChange,
	assertMayOpenForWriting,
	assertMayRemoveName,
	assertMayWrite,
} from './attributes-binding.ts';
export {
	type FlagsCaller,
	setFlags,
	setFsxattr,
	setGeneration,
	shownFlags,
} from './attributes-flags.ts';
export type {BudgetLimits, BudgetMeter} from './budget.ts';
export {type BlockDevice, discardOn} from './device.ts';
export {type FoundEntry, lookup} from './directory/lookup.ts';
export {type EntryVisitor, forEachEntry} from './directory/read.ts';
export {
	AssertionError,
	assert,
	BudgetError,
	type CorruptCode,
	CorruptError,
	DeviceError,
	type Errno,
	FileError,
	isExpectedError,
	type Place,
	UnsupportedError,
} from './errors.ts';
export {readInlineData} from './inline-data.ts';
export {
	growOutOfInline,
	inlineCapacity,
	mayBeInline,
	writeInlineData,
} from './inline-data-write.ts';
export type {Handle} from './journal/handle.ts';
export {setLabel} from './label.ts';
export {Features} from './layout/features.ts';
export type {Group} from './layout/group.ts';
export {
	type FileType,
	type Inode,
	inodeFlags,
	type MutableInode,
	reservedInode,
	type Timestamp,
} from './layout/inode.ts';
export {type DescribedField, describe} from './layout/structure.ts';
export {
	ext4_super_block,
	type Geometry,
	superblockMagic,
	superblockPosition,
} from './layout/superblock.ts';
export {
	extentTreeDepth,
	hasExtents,
	isMetadata,
	makeUnwritten,
	mapAt,
	mapForWriting,
	type Run,
	removeBlocks,
	shiftBlocks,
	sizeBytesMax,
	touchedBlocksMax,
} from './mapping/index.ts';
export type {MultiMountProtectionOptions} from './mmp.ts';
export {
	createFile,
	type DeviceNumber,
	link,
	linksMax,
	makeNode,
	mkdir,
	type NamePlace,
	type NewFile,
	type Renamed,
	type RenameOptions,
	rename,
	rmdir,
	symlink,
	tmpfile,
	unlink,
} from './namespace/index.ts';
export {
	closeVolume,
	type OpenForWritingOptions,
	openForWriting,
	openRecovered,
	remountReadOnly,
	remountReadWrite,
	updateMmp,
} from './open-for-writing.ts';
export {type CleanedOrphans, cleanOrphans} from './orphans/clean.ts';
export {addOrphan, isOrphan, removeOrphan} from './orphans/orphans.ts';
export {reapInode} from './orphans/reap.ts';
export {withinProject} from './quota/statistics.ts';
export {type Statistics, statisticsOf} from './statistics.ts';
export type {Superblock} from './superblock.ts';
export {readSymlink} from './symlink.ts';
export {type Hashes, VerityReader} from './verity.ts';
export {Volume, type VolumeOptions} from './volume.ts';
export {type AclEntry, parseWireAcl} from './xattr/acl.ts';
export {getXattr, type ListedXattr, listXattrs} from './xattr/read.ts';
export {removeXattr, setXattr, type XattrMode, xattrCredits} from './xattr/write.ts';
