/**
 * A file system whose inodes a test stamps, transaction by transaction, so that what a crash has
 * left tells which transactions were replayed: all up to one, whole, and in the order of the log.
 * It needs nothing of the engine but inodes and the journal.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {journalFileOf} from '../../ext4/journal/recover.ts';
import type {OpenForWritingOptions} from '../../ext4/open-for-writing.ts';
import {Volume} from '../../ext4/volume.ts';
import {e2fsprogs} from './e2fsprogs.ts';
import {MemoryDevice} from './memory-device.ts';

const stampedInodes = 100;
/** Stamps are seconds of an inode's times from here on. */
const stampBase = 1_000_000;
const startSeconds = 1_700_000_000;

const environment = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};

export function inTemporaryFolder<T>(act: (folder: string) => T): T {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-stamped-'));
	try {
		return act(folder);
	} finally {
		fs.rmSync(folder, {recursive: true});
	}
}

/** An image made by mke2fs with these options: the files 0 to 99, and `pool` of 64 KiB. */
export function makeStampedImage(options: readonly string[], size = '8M'): Uint8Array {
	return inTemporaryFolder(folder => {
		const source = path.join(folder, 'source');
		const image = path.join(folder, 'image');
		fs.mkdirSync(source);
		for (let file = 0; file < stampedInodes; file++) {
			fs.writeFileSync(path.join(source, `${file}`), '');
		}
		fs.writeFileSync(path.join(source, 'pool'), Buffer.alloc(65_536, 0x70));
		e2fsprogs('mke2fs', ['-q', '-d', source, ...options, image, size]);
		return new Uint8Array(fs.readFileSync(image));
	});
}

/** A clock that ticks, and numbers that are the same every time. */
export function testOptions(): OpenForWritingOptions {
	let ticks = 0;
	return {
		clock: () => ({seconds: startSeconds + Math.floor(ticks++ / 1000), nanoseconds: ticks}),
		randomUint32: () => 0x1234_5678,
	};
}

/** Whether transaction `stamp` stamps the file `index`: a few of them, here and there. */
function isStampedBy(stamp: number, index: number): boolean {
	return (index * 7 + stamp * 3) % 11 === 0;
}

/** The inode of the file that mke2fs adds first: the orphan file comes before, if there is one. */
function firstStamped(volume: Volume): number {
	return volume.features.has('orphan_file') ? 13 : 12;
}

/** Stamps the root and some of the files in one operation. */
export function stamp(volume: Volume, value: number): void {
	volume.transact(handle => {
		const numbers = [2];
		for (let index = 0; index < stampedInodes; index++) {
			if (isStampedBy(value, index)) numbers.push(firstStamped(volume) + index);
		}
		for (const number of numbers) {
			const inode = handle.edit(volume.readInode(number));
			inode.modificationTime = {seconds: stampBase + value, nanoseconds: 0};
		}
	});
}

/**
 * The last stamp that `volume` shows; 0 for none. Throws where the inodes are not as all stamps up
 * to that one, each whole, would have left them.
 */
export function readStamp(volume: Volume): number {
	const first = firstStamped(volume);
	return judgeStamps(first, number => volume.readInode(number).modificationTime.seconds);
}

function judgeStamps(first: number, timeOf: (inode: number) => number): number {
	const stampOf = (number: number) => {
		const value = timeOf(number) - stampBase;
		return value > 0 && value < 1_000_000 ? value : 0;
	};
	const last = stampOf(2);
	for (let index = 0; index < stampedInodes; index++) {
		let expected = last;
		while (expected > 0 && !isStampedBy(expected, index)) expected--;
		const found = stampOf(first + index);
		if (found !== expected) {
			throw new Error(`file ${index} has stamp ${found}, the root ${last}: expected ${expected}`);
		}
	}
	return last;
}

/** Where the journal's superblock lies, in bytes. */
export function journalPosition(bytes: Uint8Array): number {
	const volume = Volume.openAsItLies(new MemoryDevice(bytes, true), {});
	return (journalFileOf(volume).journalBlocks(0) ?? 0) * volume.geometry.blockSize;
}

/**
 * What e2fsck makes of an image: it repairs, replaying the journal, then looks again. Throws where
 * that second look finds anything, or the first found more than a crash explains.
 */
export function replayByE2fsck(bytes: Uint8Array, expected: readonly number[] = [0]): Uint8Array {
	return inTemporaryFolder(folder => {
		const image = path.join(folder, 'image');
		fs.writeFileSync(image, bytes);
		e2fsck(['-fy', image], expected);
		e2fsck(['-fn', image], [0]);
		return new Uint8Array(fs.readFileSync(image));
	});
}

/** Throws where e2fsck -fn finds anything. */
export function checkByE2fsck(bytes: Uint8Array): void {
	inTemporaryFolder(folder => {
		const image = path.join(folder, 'image');
		fs.writeFileSync(image, bytes);
		e2fsck(['-fn', image], [0]);
	});
}

function e2fsck(args: readonly string[], expected: readonly number[]): void {
	const {status, stdout, stderr} = spawnSync('e2fsck', args, {
		env: environment,
		encoding: 'utf8',
	});
	if (status !== null && expected.includes(status)) return;
	throw new Error(`e2fsck ${args[0]}: ${status}\n${stdout}${stderr}`);
}

/** The stamp that the kernel shows after its own replay; and how it left the image. */
export function replayByKernel(bytes: Uint8Array): {stamp: number; bytes: Uint8Array} {
	return inTemporaryFolder(folder => {
		const image = path.join(folder, 'image');
		const directory = path.join(folder, 'mount');
		fs.writeFileSync(image, bytes);
		fs.mkdirSync(directory);
		execFileSync('mount', ['-o', 'loop,noatime', image, directory], {stdio: 'pipe'});
		let last: number;
		try {
			const names = namesIn(directory);
			last = judgeStamps(Math.min(...names.keys()), number => {
				const name = number === 2 ? '.' : `${names.get(number)}`;
				return fs.statSync(path.join(directory, name)).mtimeMs / 1000;
			});
		} finally {
			execFileSync('umount', [directory], {stdio: 'pipe'});
		}
		return {stamp: last, bytes: new Uint8Array(fs.readFileSync(image))};
	});
}

/** Names of the stamped files by inode number. */
function namesIn(directory: string): Map<number, string> {
	const names = fs.readdirSync(directory).filter(name => /^\d+$/.test(name));
	return new Map(names.map(name => [fs.statSync(path.join(directory, name)).ino, name]));
}

/** Why the kernel can't be asked; undefined where it can. */
export function whyNoKernelMount(): string | undefined {
	if (process.getuid?.() !== 0) return 'only root mounts';
	const {status} = spawnSync('sh', [
		'-c',
		'test -e /dev/loop-control && grep -qw ext4 /proc/filesystems',
	]);
	return status === 0 ? undefined : 'no loop devices or no ext4 in the kernel';
}
