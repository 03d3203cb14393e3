/** Where a finding is, in words, and its sentence as it may be shown. */
import type {Finding} from '../../ext4/check/finding.ts';
import {printable} from '../../images/index.ts';
import {decodeUtf8, quoteName} from '../output.ts';

/** Text of which each character is a byte of a name; undefined where it can't be. */
function bytesOf(text: string): Uint8Array | undefined {
	for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0xff) return undefined;
	return Buffer.from(text, 'latin1');
}

/** The bytes of a finding's path: its characters are bytes, as names in an image may be any. */
export function pathBytes(path: string): Uint8Array {
	return Buffer.from(path, 'latin1');
}

/** The sentence, names in it read as UTF-8 where they are, and safe for a terminal. */
export function messageText({message}: Finding): string {
	const bytes = bytesOf(message);
	const text = bytes === undefined ? undefined : decodeUtf8(bytes);
	return printable(text ?? message);
}

/** `inode 12, block 33, /etc/fstab`: of what is known of the place, what `besides` does not tell. */
export function placeText({place, ranges}: Finding, besides = ''): string {
	const parts: string[] = [];
	for (const name of ['group', 'directory', 'inode', 'block', 'logical', 'offset'] as const) {
		const value = place[name];
		if (value === undefined) continue;
		if (besides !== '' && ranges?.of === name) continue; // Its sentence names them.
		const words = `${name === 'logical' ? 'block of the file' : name} ${value}`;
		if (new RegExp(`\\b${words}\\b`, 'i').test(besides)) continue;
		parts.push(words);
	}
	if (place.path !== undefined) parts.push(quoteName(pathBytes(place.path)));
	return parts.join(', ');
}
