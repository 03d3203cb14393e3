/** What statfs(2) tells is what the kernel's ext4 tells of the same image. */
import {execFileSync, spawnSync} from 'node:child_process';
import {
	cpSync,
	mkdirSync,
	mkdtempSync,
	rmSync,
	statfsSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {statisticsOf, Volume} from '../../ext4/index.ts';
import {openRaw} from '../../images/raw.ts';
import {e2fsprogs} from '../support/e2fsprogs.ts';
import {serialTestUnless} from '../support/skip.ts';

const whyNot = process.getuid?.() === 0 ? undefined : 'the kernel mounts images only for root';

function kernelStatistics(image: string, folder: string) {
	execFileSync('mount', ['-o', 'loop', image, folder]);
	try {
		return statfsSync(folder);
	} finally {
		execFileSync('umount', [folder]);
	}
}

/** A copy of the image as a crash would leave it: files were made, and nothing brought home. */
function dirtyCopy(image: string, folder: string, copy: string): void {
	execFileSync('mount', ['-o', 'loop', image, folder]);
	try {
		for (let index = 0; index < 50; index++) {
			writeFileSync(join(folder, `file-${index}`), Buffer.alloc(3000 * index));
		}
		spawnSync('sync', ['-f', folder]);
		cpSync(image, copy);
	} finally {
		execFileSync('umount', [folder]);
	}
}

for (const [name, options] of [
	['ext2', ['-t', 'ext2', '-b', '1024']],
	['ext3', ['-t', 'ext3', '-b', '1024']],
	['ext4', ['-t', 'ext4', '-b', '4096']],
	['ext4 with bigalloc', ['-t', 'ext4', '-O', 'bigalloc', '-C', '16384']],
	['ext4 with meta_bg', ['-t', 'ext4', '-b', '1024', '-O', 'meta_bg,^resize_inode']],
] as const) {
	serialTestUnless(whyNot, `statistics of ${name}, clean and dirty, are the kernel's`, t => {
		const work = mkdtempSync(join(tmpdir(), 'ext4box-statistics-'));
		t.teardown(() => rmSync(work, {recursive: true}));
		const image = join(work, 'disk.img');
		const folder = join(work, 'mnt');
		mkdirSync(folder);
		writeFileSync(image, '');
		truncateSync(image, 48 * 2 ** 20);
		e2fsprogs('mke2fs', ['-q', '-F', ...options, image]);
		const dirty = join(work, 'dirty.img');
		dirtyCopy(image, folder, dirty);
		for (const each of [image, dirty]) {
			using device = openRaw(each);
			const ours = statisticsOf(Volume.open(device));
			const kernels = kernelStatistics(each, folder);
			t.deepEqual(
				[ours.blockSize, ours.blockCount, ours.freeBlockCount, ours.availableBlockCount],
				[kernels.bsize, kernels.blocks, kernels.bfree, kernels.bavail],
			);
			t.deepEqual([ours.inodeCount, ours.freeInodeCount], [kernels.files, kernels.ffree]);
		}
	});
}
