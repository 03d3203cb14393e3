/** Random work on a mounted file system, the same for the same seed: as fsstress does it. */
import {execFileSync} from 'node:child_process';
import {
	chmodSync,
	closeSync,
	linkSync,
	mkdirSync,
	openSync,
	renameSync,
	rmdirSync,
	symlinkSync,
	truncateSync,
	unlinkSync,
	writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {Random} from '../fuzz/random.ts';

/** What an operation may meet: a name that another took, a full disk, the root itself. */
const ordinary = [
	'EEXIST',
	'ENOENT',
	'ENOTEMPTY',
	'ENOSPC',
	'EISDIR',
	'ENOTDIR',
	'EINVAL',
	'EMLINK',
	'EXDEV',
	'EBUSY',
];

export function useHard(root: string, seed: number, count: number): void {
	const random = new Random(seed);
	const folders = ['.'];
	const files: string[] = [];
	const newName = () =>
		join(random.pick(folders), `${'n'.repeat(random.below(60))}${random.below(400)}`);
	const at = (path: string) => join(root, path);
	const work = {
		write: () => {
			const path = newName();
			const file = openSync(at(path), 'a+');
			try {
				const data = new Uint8Array(random.below(30_000)).fill(random.below(256));
				writeSync(file, data, 0, data.length, random.below(8) * 100_000);
			} finally {
				closeSync(file);
			}
			files.push(path);
		},
		mkdir: () => {
			const path = newName();
			mkdirSync(at(path));
			folders.push(path);
		},
		link: () => {
			const path = newName();
			linkSync(at(random.pick(files)), at(path));
			files.push(path);
		},
		symlink: () => {
			const path = newName();
			symlinkSync('t'.repeat(1 + random.below(200)), at(path));
			files.push(path);
		},
		rename: () => {
			const path = newName();
			renameSync(at(random.pick(files)), at(path));
			files.push(path);
		},
		renameFolder: () => {
			const path = newName();
			renameSync(at(random.pick(folders)), at(path));
			folders.push(path);
		},
		unlink: () => unlinkSync(at(random.pick(files))),
		rmdir: () => rmdirSync(at(random.pick(folders))),
		truncate: () => truncateSync(at(random.pick(files)), random.below(200_000)),
		chmod: () => chmodSync(at(random.pick(files)), random.below(0o1000)),
		reserve: () => {
			const range = [
				'-o',
				String(random.below(100) * 4096),
				'-l',
				String(1 + random.below(100_000)),
			];
			const mode = random.pick([[], ['--punch-hole'], ['--zero-range']]);
			execFileSync('fallocate', [...mode, ...range, at(random.pick(files))], {stdio: 'ignore'});
		},
		attribute: () => {
			const value = 'v'.repeat(1 + random.below(300));
			const name = `user.a${random.below(6)}`;
			execFileSync('setfattr', ['-n', name, '-v', value, at(random.pick(files))], {
				stdio: 'ignore',
			});
		},
	};
	const weights = {
		...{write: 20, mkdir: 5, link: 6, symlink: 5, rename: 8, renameFolder: 1},
		...{unlink: 12, rmdir: 2, truncate: 6, chmod: 1, reserve: 1, attribute: 1},
	};
	for (let step = 0; step < count; step++) {
		if (files.length === 0) work.write();
		try {
			work[random.weighted(weights)]();
		} catch (error) {
			const code = (error as NodeJS.ErrnoException).code;
			// A program that failed has a status: the file was gone, or the disk is full.
			const isOrdinary =
				code === undefined ? 'status' in (error as object) : ordinary.includes(code);
			if (!isOrdinary) throw error;
		}
	}
}
