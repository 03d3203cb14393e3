/** File systems that mke2fs makes, opened for writing in memory, and judged by e2fsck. */
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {Volume} from '../../ext4/volume.ts';
import {makeWritable} from './home-log.ts';
import {MemoryDevice} from './memory-device.ts';

const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};

function inFolder<T>(action: (folder: string) => T): T {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-made-'));
	try {
		return action(folder);
	} finally {
		rmSync(folder, {recursive: true});
	}
}

/** The bytes of a new file system; `size` as mke2fs takes it. What was there `before` stays. */
export function mke2fs(options: readonly string[], size: string, before?: Uint8Array): Uint8Array {
	return inFolder(folder => {
		const path = join(folder, 'image');
		if (before !== undefined) writeFileSync(path, before);
		execFileSync('mke2fs', ['-q', '-F', ...options, path, size], {env, stdio: 'pipe'});
		return new Uint8Array(readFileSync(path));
	});
}

export type MadeVolume = {
	readonly volume: Volume;
	readonly device: MemoryDevice;
	/** What `e2fsck -fn` finds in what is committed; undefined where that is nothing. */
	findProblems(): string | undefined;
	/** What a program of e2fsprogs prints of what is committed; the image's path comes last. */
	ask(program: string, args: readonly string[]): string;
};

/** Opens the file system for writing: without a journal, each commit goes to its place. */
export function openMade(bytes: Uint8Array): MadeVolume {
	const device = new MemoryDevice(bytes);
	const volume = Volume.open(device);
	makeWritable(volume);
	let generation = 1;
	volume.random = () => generation++;
	const withImage = <T>(action: (path: string) => T): T =>
		inFolder(folder => {
			volume.transactions?.checkpoint();
			const path = join(folder, 'image');
			writeFileSync(path, device.bytes);
			return action(path);
		});
	return {
		volume,
		device,
		findProblems: () =>
			withImage(path => {
				const {status, stdout, stderr} = spawnSync('e2fsck', ['-fn', path], {
					env,
					encoding: 'utf8',
				});
				return status === 0 ? undefined : `${status}: ${stdout}${stderr}`;
			}),
		ask: (program, args) =>
			withImage(path =>
				execFileSync(program, [...args, path], {env, encoding: 'utf8', stdio: 'pipe'}),
			),
	};
}
