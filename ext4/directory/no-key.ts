/** Which hashes the no-key names of an encrypted directory hold, and the hash function for them. */
import {UnsupportedError} from '../errors.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import type {Sha256} from './encrypted-name.ts';
import {type EntryRules, entryHash, entryNameLength, nameAt} from './entries.ts';
import {hashName, type NameHash} from './hash.ts';
import {openTree} from './hash-tree.ts';

/** SHA-256 for names that need it. Throws `UnsupportedError` where the volume came without. */
export function sha256Of(volume: Volume): Sha256 {
	return bytes => {
		if (volume.hashes === undefined) {
			throw new UnsupportedError(
				'EXT4_UNSUPPORTED_FEATURE',
				'encrypt',
				'long names in encrypted directories need SHA-256, and none was given',
			);
		}
		return volume.hashes.sha256(bytes);
	};
}

const noHash: NameHash = {major: 0, minor: 0};

/** Gives the hash that belongs into the no-key name of the checked entry at `at`. */
export type EntryHasher = (bytes: Uint8Array, view: DataView, at: number) => NameHash;

/**
 * The kernel reads a directory in the order of hashes, and then shows them, when it has an index or
 * could get one: with dir_index, when it is indexed, one block long, or inline. It shows zeros when
 * it reads from end to end.
 */
export function entryHasherOf(volume: Volume, directory: Inode, rules: EntryRules): EntryHasher {
	if (rules.hasHashes) return entryHash;
	const version = hashVersionOf(volume, directory, rules);
	if (version === undefined) return () => noHash;
	const {isHashUnsigned, hashSeed} = volume.superblock;
	return (bytes, _view, at) => {
		const start = at + nameAt;
		const name = bytes.subarray(start, start + entryNameLength(bytes, at));
		return hashName(version, isHashUnsigned, hashSeed, name) ?? noHash;
	};
}

function hashVersionOf(volume: Volume, directory: Inode, rules: EntryRules): number | undefined {
	if (!volume.features.has('dir_index')) return undefined;
	if (rules.isIndexed) return openTree(volume, directory, rules)?.hashVersion;
	const isSmall =
		directory.sizeBytes === rules.blockSize || (directory.flags & inodeFlags.inlineData) !== 0;
	return isSmall ? volume.superblock.defaultHashVersion : undefined;
}
