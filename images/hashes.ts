/** The hash functions that `Volume.open` takes, from Node's own library. */
import {createHash} from 'node:crypto';
import type {Hashes} from '../ext4/index.ts';

function hashWith(algorithm: string, parts: readonly Uint8Array[]): Uint8Array {
	const hash = createHash(algorithm);
	for (const part of parts) hash.update(part);
	return hash.digest();
}

export const nodeHashes: Hashes = {
	sha256: (...parts) => hashWith('sha256', parts),
	sha512: (...parts) => hashWith('sha512', parts),
};
