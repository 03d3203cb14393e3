/** Images that debugfs damages, as our checker and e2fsck see them. */
import {execFileSync, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {type CheckSummary, check} from '../../ext4/check/check.ts';
import type {Finding} from '../../ext4/check/finding.ts';
import {makeImage} from './made-image.ts';
import {MemoryDevice} from './memory-device.ts';

const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};

/** What a check found, and its summary. */
export type Checked = {readonly findings: readonly Finding[]; readonly summary: CheckSummary};

/** All that our checker finds in an image. */
export function checked(bytes: Uint8Array): Checked {
	const findings: Finding[] = [];
	const run = check(new MemoryDevice(bytes, true));
	let next = run.next();
	for (; next.done !== true; next = run.next()) findings.push(next.value);
	return {findings, summary: next.value};
}

export type Damaged = {readonly bytes: Uint8Array; readonly exit: number | null};

/** The image after debugfs commands and `poke`, and what e2fsck exits with. */
export function damaged(
	commands: readonly string[],
	options: readonly string[],
	poke: (bytes: Buffer) => void = () => {},
): Damaged {
	const {path, remove} = makeImage(options);
	try {
		const input = `${commands.join('\n')}\n`;
		execFileSync('debugfs', ['-w', path], {env, input, stdio: ['pipe', 'ignore', 'ignore']});
		const image = fs.readFileSync(path);
		poke(image);
		fs.writeFileSync(path, image);
		const {status} = spawnSync('e2fsck', ['-fn', path], {env, stdio: 'ignore'});
		return {bytes: new Uint8Array(fs.readFileSync(path)), exit: status};
	} finally {
		remove();
	}
}
