/** What the no-key names of an encrypted directory are made with: hashes, and SHA-256. */
import {UnsupportedError} from '../errors.ts';
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import type {Sha256} from './encrypted-name.ts';
import {type EntryRules, entryHash} from './entries.ts';
import {type EntryHasher, entryHasher, hashVersionOf} from './name-hash.ts';

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

/**
 * The hashes that belong into no-key names: those by which the kernel reads the directory, or zeros
 * where it reads from end to end.
 */
export function noKeyHasher(volume: Volume, directory: Inode, rules: EntryRules): EntryHasher {
	if (rules.hasHashes) return entryHash;
	const version = hashVersionOf(volume, directory, rules);
	return version === undefined ? () => ({major: 0, minor: 0}) : entryHasher(volume, rules, version);
}
