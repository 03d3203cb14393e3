/** The values of attributes that lie in inodes of their own against the hashes that these keep of them. */
import {crc32cOf} from '../checksum.ts';
import {isExpectedError} from '../errors.ts';
import type {Volume} from '../volume.ts';
import {readHeldValue} from '../xattr/value.ts';
import {hex} from './finding.ts';
import {openReadersVolume} from './readers-volume.ts';
import type {CheckState} from './state.ts';

const valuesBetweenYields = 256;

/** `kept`: the hash of each inode whose value is to be looked at, as it says. */
export function* checkValueHashes(
	state: CheckState,
	kept: ReadonlyMap<number, number>,
): Generator<void> {
	if (kept.size === 0) return;
	const volume = openReadersVolume(state, 'values of attributes');
	if (volume === undefined) return;
	let count = 0;
	for (const [inode, found] of kept) {
		const expected = hashOf(state, volume, inode);
		if (expected !== undefined && found !== expected) {
			state.report('CHECK_VALUE_HASH', {inode}, {found: hex(found), expected: hex(expected)});
		}
		if (++count % valuesBetweenYields === 0) yield;
	}
}

/** Undefined, and reported, where the value can't be read. */
function hashOf(state: CheckState, volume: Volume, inode: number): number | undefined {
	try {
		const value = readHeldValue(volume, volume.readValueInode(inode));
		return crc32cOf(volume.superblock.checksumSeed, value);
	} catch (error) {
		if (!isExpectedError(error)) throw error;
		state.report('CHECK_VALUE_UNREADABLE', {inode}, {found: error.message});
		return undefined;
	}
}
