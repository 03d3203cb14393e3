/** What is mounted where, by the mount table alone: asks no server, so it can't hang. */
import {readFileSync} from 'node:fs';
import {type Mount, parseMountinfo} from '../../../src/mount/mounts.ts';

function table(): Mount[] {
	return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** The uppermost mount on a directory. */
export function mountOn(directory: string): Mount | undefined {
	return table().findLast(mount => mount.path === directory);
}

export function isMounted(directory: string): boolean {
	return mountOn(directory) !== undefined;
}

/** Innermost first. */
export function mountsBelow(folder: string): Mount[] {
	return table()
		.filter(mount => mount.path.startsWith(`${folder}/`))
		.reverse();
}
