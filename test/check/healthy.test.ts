/**
 * What is well gives no finding: reference images of all forms, and images that the kernel's ext4
 * was made to work hard on, unmounted and as a crash would leave them. e2fsck is asked as well: an
 * image that it objects to would prove nothing.
 */
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {openRaw} from '../../images/raw.ts';
import {
	findImages,
	imagePath,
	imagesLeftOut,
	isComplete,
	oneOfEachKind,
	type ReferenceImage,
	whyNoImages,
} from '../reference/material.ts';
import {serialTestUnless, testUnless} from '../support/skip.ts';
import {runE2fsck} from './e2fsck.ts';
import {type OurVerdict, runOurs} from './ours.ts';
import {useHard} from './use-hard.ts';

const whyNot = whyNoImages();
const images = whyNot === undefined ? findImages(isComplete ? undefined : oneOfEachKind) : [];
if (whyNot !== undefined) testUnless(whyNot, 'reference images give no finding', () => {});

function describe({findings, summary, crash}: OurVerdict): string[] {
	const told = findings.map(({code, message}) => `${code} ${message}`);
	const givenUp = summary?.givenUp.map(({pass, why}) => `${pass} given up: ${why}`) ?? [];
	return [...told, ...givenUp, ...(crash === undefined ? [] : [crash])];
}

function checkFile(path: string): OurVerdict {
	using device = openRaw(path);
	return runOurs(device);
}

function judge(t: ExecutionContext, image: ReferenceImage): void {
	const ours = checkFile(imagePath(image));
	if (image.expect === 'error') {
		t.true(ours.summary?.outcome === 'refused' || ours.verdict === 0, ours.summary?.reason ?? '');
		return;
	}
	t.deepEqual(describe(ours), []);
	t.is(ours.verdict, 0);
}

for (const image of images) test(`${image.name} gives no finding`, t => judge(t, image));
for (const [name, why] of imagesLeftOut()) testUnless(why, `${name} gives no finding`, () => {});

const isRoot = process.getuid?.() === 0;
const forms = {
	'ext4, 1 KiB blocks': ['-t', 'ext4', '-b', '1024', '-J', 'size=4'],
	'ext4, inline data, large inodes': ['-t', 'ext4', '-O', 'inline_data,ea_inode', '-I', '512'],
	'ext4 without checksums': ['-t', 'ext4', '-O', '^metadata_csum,^64bit,uninit_bg', '-g', '4096'],
	'ext4 with bigalloc': ['-t', 'ext4', '-O', 'bigalloc', '-C', '16384'],
	ext3: ['-t', 'ext3', '-b', '1024', '-J', 'size=4'],
	ext2: ['-t', 'ext2', '-b', '1024'],
};

for (const [name, options] of Object.entries(forms)) {
	const why = isRoot ? undefined : 'only root mounts with the kernel';
	serialTestUnless(why, `${name}, used hard by the kernel, gives no finding`, t => {
		t.timeout(300_000);
		const folder = mkdtempSync(join(tmpdir(), 'ext4box-used-'));
		const image = join(folder, 'image');
		const crashed = join(folder, 'crashed');
		const mountpoint = join(folder, 'mnt');
		try {
			execFileSync('truncate', ['-s', '64M', image]);
			execFileSync('mke2fs', ['-q', '-F', ...options, image], {stdio: 'ignore'});
			mkdirSync(mountpoint);
			execFileSync('mount', ['-o', 'loop', image, mountpoint]);
			try {
				useHard(mountpoint, 1, isComplete ? 20_000 : 1500);
				execFileSync('sync', ['-f', mountpoint]);
				if (!name.startsWith('ext2')) execFileSync('cp', ['--sparse=always', image, crashed]);
			} finally {
				execFileSync('umount', [mountpoint]);
			}
			t.is(runE2fsck(image).exit, 0, 'e2fsck');
			t.deepEqual(describe(checkFile(image)), [], 'unmounted');
			if (!name.startsWith('ext2')) t.deepEqual(describe(checkFile(crashed)), [], 'as it crashed');
		} finally {
			rmSync(folder, {recursive: true, force: true});
		}
	});
}
