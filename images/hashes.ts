/** The hash functions that `ext4/` asks for, from Node. */
import type * as crypto from 'node:crypto';
import type {Hashes} from '../ext4/index.ts';

function digest(algorithm: string, parts: readonly Uint8Array[]): Uint8Array {
	// Loaded when first asked for: few images need it, and it costs some milliseconds.
	const {createHash}: typeof crypto = process.getBuiltinModule('node:crypto');
	const hash = createHash(algorithm);
	for (const part of parts) hash.update(part);
	return hash.digest();
}

export const nodeHashes: Hashes = {
	sha256: (...parts) => digest('sha256', parts),
	sha512: (...parts) => digest('sha512', parts),
};
