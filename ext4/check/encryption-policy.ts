/**
 * The encryption context of an inode, an attribute: under which policy it was made, which all that lies
 * in an encrypted directory has in common with it. Kernel documentation, "Filesystem-level encryption
 * (fscrypt)", contexts of version 1 and 2. A policy is kept as a number: the checksum of its bytes.
 */
import {xattrIndex} from '../layout/xattr.ts';
import {type AttributeArea, findAttribute} from './attributes.ts';
import {crc32cOfBytes} from './checksum.ts';

export const policies = {
	/** No context: not encrypted, or it lies elsewhere. */
	none: 0,
	/** A context that is none. */
	corrupt: 1,
	/** Of a version that is not known. */
	unknown: 2,
} as const;

const contextName = 0x63; // "c"
/** Bytes of a context by its version. */
const contextSizes = [0, 28, 40] as const;
/** At the end of a context: each file's own, and no part of the policy. */
const nonceSize = 16;

/** The policy that an area of attributes holds. */
export function policyIn(area: AttributeArea): number {
	const found = findAttribute(
		area,
		xattrIndex.encryption,
		(view, at, length) => length === 1 && view.getUint8(at) === contextName,
	);
	if (found === undefined) return policies.none;
	const {at, sizeBytes} = found;
	if (sizeBytes === 0 || at + sizeBytes > area.end) return policies.corrupt;
	const wanted = contextSizes[area.view.getUint8(at)];
	if (wanted === undefined || wanted === 0) return policies.unknown;
	if (sizeBytes !== wanted) return policies.corrupt;
	const {buffer, byteOffset} = area.view;
	const bytes = new Uint8Array(buffer, byteOffset + at, sizeBytes - nonceSize);
	return Math.max(policies.unknown + 1, crc32cOfBytes(0xffffffff, bytes));
}
