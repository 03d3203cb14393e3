/**
 * Names in encrypted directories, for who lacks the key: what fscrypt calls no-key names. Kernel
 * documentation, "Filesystem-level encryption (fscrypt)", "Without the key".
 *
 * A no-key name is, in base64url without padding: the two hashes by which the directory orders the
 * name, 149 bytes of the encrypted name, and if it is longer the SHA-256 of the rest. So it holds
 * what finding the entry again takes, and is never longer than a name may be.
 */
import type {NameHash} from './hash.ts';

/** SHA-256 of the bytes, 32 bytes long. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** An encrypted name is at least one block of the cipher long. */
export const encryptedNameLengthMin = 16;

const hashesLength = 8;
const shownBytesMax = 149;
const digestLength = 32;
const decodedLengthMax = hashesLength + shownBytesMax + digestLength;

/** Bytes that the longest no-key name takes. */
export const noKeyNameLengthMax = Math.ceil((decodedLengthMax * 4) / 3);

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const characterOf = Uint8Array.from(alphabet, character => character.charCodeAt(0));
const valueOfCharacter = new Int8Array(256).fill(-1);
characterOf.forEach((character, value) => {
	valueOfCharacter[character] = value;
});

// Used within one call only.
const scratch = new Uint8Array(decodedLengthMax);
const scratchView = new DataView(scratch.buffer);

/** Writes the no-key name for `encrypted` to the start of `into`; returns its length in bytes. */
export function encodeNoKeyName(
	encrypted: Uint8Array,
	hash: NameHash,
	sha256: Sha256,
	into: Uint8Array,
): number {
	scratchView.setUint32(0, hash.major, true);
	scratchView.setUint32(4, hash.minor, true);
	const shown = Math.min(encrypted.length, shownBytesMax);
	scratch.set(encrypted.subarray(0, shown), hashesLength);
	let length = hashesLength + shown;
	if (encrypted.length > shown) {
		scratch.set(sha256(encrypted.subarray(shown)), length);
		length += digestLength;
	}
	return encodeBase64Url(scratch, length, into);
}

/** What a no-key name asks for. */
export type NoKeyName = {
	readonly hash: NameHash;
	/** The encrypted name, or the first 149 bytes of one that is longer. */
	readonly bytes: Uint8Array;
	/** SHA-256 of what follows these 149 bytes; undefined when they are all. */
	readonly digest: Uint8Array | undefined;
};

/** Undefined for what is no no-key name, and so names nothing in an encrypted directory. */
export function decodeNoKeyName(name: Uint8Array): NoKeyName | undefined {
	const decoded = name.length > noKeyNameLengthMax ? undefined : decodeBase64Url(name);
	if (decoded === undefined || decoded.length <= hashesLength) return undefined;
	const isLong = decoded.length === decodedLengthMax;
	if (!isLong && decoded.length > hashesLength + shownBytesMax) return undefined;
	const view = new DataView(decoded.buffer);
	const end = isLong ? hashesLength + shownBytesMax : decoded.length;
	return {
		hash: {major: view.getUint32(0, true), minor: view.getUint32(4, true)},
		bytes: decoded.subarray(hashesLength, end),
		digest: isLong ? decoded.subarray(end) : undefined,
	};
}

/** Whether `encrypted`, as it lies on the disk, is the name that was asked for. */
export function matchesNoKeyName(
	wanted: NoKeyName,
	encrypted: Uint8Array,
	sha256: Sha256,
): boolean {
	const {bytes, digest} = wanted;
	const isLongEnough =
		digest === undefined ? encrypted.length === bytes.length : encrypted.length > bytes.length;
	if (!isLongEnough || !bytes.every((byte, at) => byte === encrypted[at])) return false;
	if (digest === undefined) return true;
	const found = sha256(encrypted.subarray(bytes.length));
	return digest.every((byte, at) => byte === found[at]);
}

function encodeBase64Url(bytes: Uint8Array, length: number, into: Uint8Array): number {
	let at = 0;
	let bits = 0;
	let pending = 0;
	for (let index = 0; index < length; index++) {
		pending = ((pending << 8) | (bytes[index] ?? 0)) & 0xffff;
		bits += 8;
		while (bits >= 6) {
			bits -= 6;
			into[at++] = characterOf[(pending >>> bits) & 0x3f] ?? 0;
		}
	}
	if (bits > 0) into[at++] = characterOf[(pending << (6 - bits)) & 0x3f] ?? 0;
	return at;
}

/** Undefined for a character outside the alphabet, and for bits that no byte takes up. */
function decodeBase64Url(name: Uint8Array): Uint8Array | undefined {
	const bytes = new Uint8Array(Math.floor((name.length * 6) / 8));
	let at = 0;
	let bits = 0;
	let pending = 0;
	for (const character of name) {
		const value = valueOfCharacter[character] ?? -1;
		if (value < 0) return undefined;
		pending = ((pending << 6) | value) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			bytes[at++] = pending >>> bits;
		}
	}
	const isExact = bits < 6 && (pending & ((1 << bits) - 1)) === 0;
	return isExact ? bytes : undefined;
}
