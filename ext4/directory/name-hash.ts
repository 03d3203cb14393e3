/**
 * The hash by which a directory orders a name: of the name as it lies on the disk, of its folded
 * form in a casefolded directory, and kept behind the name where only who has the key can compute
 * it. Kernel documentation, "Hash Tree Directories".
 */
import {hashVersions} from '../layout/htree.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {foldName} from './casefold.ts';
import {type EntryRules, entryHash, entryNameLength, nameAt} from './entries.ts';
import {hashName, type NameHash} from './hash.ts';
import {openTree} from './hash-tree.ts';

/** Gives the hash of the checked entry at `at`; never of `.` and `..`, which have none. */
export type EntryHasher = (bytes: Uint8Array, view: DataView, at: number) => NameHash;

/** A version whose hashes can be computed from names. */
function isComputable(version: number): boolean {
	return version <= hashVersions.tea;
}

/** The hash of a name that a directory may be given, by a version that is computable. */
export function hashOfName(
	volume: Volume,
	rules: EntryRules,
	version: number,
	name: Uint8Array,
): NameHash {
	const {isHashUnsigned, hashSeed} = volume.superblock;
	const folded = rules.isCasefolded ? foldName(name) : undefined;
	return hashName(version, isHashUnsigned, hashSeed, folded ?? name) ?? noHash;
}

const noHash: NameHash = {major: 0, minor: 0};

/** The hasher of entries as they lie, for a directory whose hashes are of that version. */
export function entryHasher(volume: Volume, rules: EntryRules, version: number): EntryHasher {
	if (rules.hasHashes) return entryHash;
	return (bytes, _view, at) => {
		const start = at + nameAt;
		const name = bytes.subarray(start, start + entryNameLength(bytes, at));
		return hashOfName(volume, rules, version, name);
	};
}

/**
 * The version of the hashes that the kernel reads a directory in the order of: when it has an index
 * or could get one, that is, with dir_index, when it is indexed, one block long, or inline.
 * Undefined where it reads from end to end.
 */
export function hashVersionOf(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
): number | undefined {
	if (!volume.features.has('dir_index')) return undefined;
	if (rules.isIndexed) return openTree(volume, directory, rules)?.hashVersion;
	const isSmall =
		directory.sizeBytes === rules.blockSize || (directory.flags & inodeFlags.inlineData) !== 0;
	return isSmall ? newTreeVersion(volume, rules) : undefined;
}

/** The version of hashes that a new index gets; undefined where it can get none. */
export function newTreeVersion(volume: Volume, rules: EntryRules): number | undefined {
	if (rules.hasHashes) return hashVersions.siphash;
	const version = volume.superblock.defaultHashVersion;
	return isComputable(version) ? version : undefined;
}
