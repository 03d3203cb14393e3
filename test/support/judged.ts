/** A small image that is made well, then damaged, and judged twice: by our checker and by e2fsck -fn. */
import * as fs from 'node:fs';
import type {FindingCode} from '../../ext4/check/codes.ts';
import {repairByE2fsck, runE2fsck} from '../check/e2fsck.ts';
import {runOurs} from '../check/ours.ts';
import {debugfs} from './e2fsprogs.ts';
import {makeImage} from './made-image.ts';
import {MemoryDevice} from './memory-device.ts';

export type Judged = {
	/** Of our findings, each once. */
	readonly codes: readonly FindingCode[];
	/** Of e2fsck; undefined where it gave no verdict. */
	readonly exit: number | undefined;
};

/** Damages the image at `path` and has it judged. */
export function judgeDamaged(path: string, damage: (bytes: Buffer) => void): Judged {
	const bytes = fs.readFileSync(path);
	damage(bytes);
	fs.writeFileSync(path, bytes);
	const {findings, crash} = runOurs(new MemoryDevice(new Uint8Array(bytes), true));
	if (crash !== undefined) throw new Error(crash);
	return {codes: [...new Set(findings.map(({code}) => code))], exit: runE2fsck(path).exit};
}

/**
 * As `judgeDamaged`, on an image of its own: `options` go to mke2fs, `commands` to debugfs, and of
 * that e2fsck makes one that is well. Throws where it can't.
 */
export function judge(
	options: readonly string[],
	commands: readonly string[],
	damage: (bytes: Buffer) => void,
): Judged {
	const {path, remove} = makeImage(options);
	try {
		if (commands.length > 0) {
			debugfs(
				commands.map(line => Buffer.from(line)),
				path,
			);
		}
		if (!repairByE2fsck(path)) throw new Error('e2fsck can not make the image well');
		return judgeDamaged(path, damage);
	} finally {
		remove();
	}
}
