/** An image's name as a word of a command that a message proposes. */
import {printable} from './errors.ts';

const plain = /^[\w./@%+=:,~-]+$/;
/** Where nobody knows the name, or it can't be written in a line. */
const anyName = 'IMAGE';

/** e2fsprogs take the place of a file system within an image as a part of the name. */
export function shellName(path: string | Uint8Array | undefined, offsetBytes: number): string {
	const name = path === undefined ? undefined : textOf(path);
	const place = offsetBytes === 0 ? '' : `?offset=${offsetBytes}`;
	if (name === undefined || name === '' || printable(name) !== name) return `${anyName}${place}`;
	// A name that begins with a dash would be taken for an option; a tilde, for a home directory.
	const word = `${/^[-~]/.test(name) ? './' : ''}${name}${place}`;
	return plain.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function textOf(path: string | Uint8Array): string | undefined {
	if (typeof path === 'string') return path;
	try {
		return new TextDecoder('utf-8', {fatal: true}).decode(path);
	} catch (error) {
		if (error instanceof TypeError) return undefined;
		throw error;
	}
}
