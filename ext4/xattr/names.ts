/**
 * The full names of attributes, as the system calls spell them, and what of them lies on the disk:
 * an index for the beginning, bytes for the rest. Names are strings of one character a byte
 * (latin1), so that any bytes survive the way there and back.
 */
import {xattrIndex} from '../layout/xattr.ts';

type Namespace = {
	readonly index: number;
	readonly prefix: string;
	/** The prefix is the whole name. */
	readonly isWholeName: boolean;
};

/**
 * What can be listed and asked for. Not among them: the file's own data (system.data), the context
 * of its encryption, and Lustre's index; the kernel does not show these either.
 */
const namespaces: readonly Namespace[] = [
	{index: xattrIndex.user, prefix: 'user.', isWholeName: false},
	{index: xattrIndex.posixAclAccess, prefix: 'system.posix_acl_access', isWholeName: true},
	{index: xattrIndex.posixAclDefault, prefix: 'system.posix_acl_default', isWholeName: true},
	{index: xattrIndex.trusted, prefix: 'trusted.', isWholeName: false},
	{index: xattrIndex.security, prefix: 'security.', isWholeName: false},
	{index: xattrIndex.richacl, prefix: 'system.richacl', isWholeName: true},
	{index: xattrIndex.hurd, prefix: 'gnu.', isWholeName: false},
];

const namespaceOfIndex = new Map(namespaces.map(namespace => [namespace.index, namespace]));

/** The full name of an attribute; undefined for one that is not for users to see. */
export function fullNameOf(index: number, name: Uint8Array): string | undefined {
	const namespace = namespaceOfIndex.get(index);
	if (namespace === undefined || namespace.isWholeName !== (name.length === 0)) return undefined;
	return namespace.prefix + String.fromCharCode(...name);
}

export type StoredName = {readonly index: number; readonly name: Uint8Array};

/** How a full name lies on the disk; undefined for one that no attribute can have. */
export function storedNameOf(fullName: string): StoredName | undefined {
	for (const {index, prefix, isWholeName} of namespaces) {
		if (!fullName.startsWith(prefix)) continue;
		const name = new Uint8Array(fullName.length - prefix.length);
		for (let at = 0; at < name.length; at++) name[at] = fullName.charCodeAt(prefix.length + at);
		if (isWholeName === (name.length === 0)) return {index, name};
	}
	return undefined;
}

/** Whether attributes can have names that begin so. */
export function isKnownPrefix(prefix: string): boolean {
	return namespaces.some(namespace => namespace.prefix === prefix);
}
