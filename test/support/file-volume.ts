/** File systems with empty regular files in them, for tests of what becomes of their space. */
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {readBlockBits} from '../../ext4/allocator/bitmaps.ts';
import {firstBlockOfGroup} from '../../ext4/groups.ts';
import {type MadeVolume, mke2fs, openMade} from './made-volume.ts';

/** The first inode that mke2fs -d gives to a file: 11 is lost+found's. */
export const firstFile = 12;

/** The bytes of a file system with `files` empty files, their inodes from `firstFile` on. */
export function makeWithFiles(options: readonly string[], size: string, files = 2): Uint8Array {
	const source = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-source-'));
	try {
		for (let file = 0; file < files; file++) fs.writeFileSync(path.join(source, `${file}`), '');
		return mke2fs(['-d', source, ...options], size);
	} finally {
		fs.rmSync(source, {recursive: true});
	}
}

export type FeatureSet = {readonly name: string; readonly options: readonly string[]};

/** What differs in how space is mapped. None has a journal: commits go to their places. */
export const mappingFeatures: readonly FeatureSet[] = [
	{name: 'extents, 1 KiB', options: ['-t', 'ext4', '-b', '1024', '-O', '^has_journal']},
	{name: 'extents, 4 KiB', options: ['-t', 'ext4', '-b', '4096', '-O', '^has_journal']},
	{
		name: 'extents without checksums',
		options: ['-t', 'ext4', '-b', '1024', '-O', '^has_journal,^metadata_csum,^64bit'],
	},
	{
		name: 'clusters of 16',
		options: ['-t', 'ext4', '-b', '1024', '-O', '^has_journal,bigalloc', '-C', '16384'],
	},
	{
		name: 'clusters of 4',
		options: ['-t', 'ext4', '-b', '1024', '-O', '^has_journal,bigalloc', '-C', '4096'],
	},
	{name: 'block maps', options: ['-t', 'ext2', '-b', '1024']},
	{
		name: 'block maps with huge_file and checksums',
		options: ['-t', 'ext4', '-b', '1024', '-O', '^has_journal,^extent,^64bit'],
	},
	{
		name: 'data in inodes',
		options: ['-t', 'ext4', '-b', '1024', '-O', '^has_journal,inline_data', '-I', '256'],
	},
	{
		name: 'data in large inodes and clusters',
		options: [
			'-t',
			'ext4',
			'-b',
			'4096',
			'-O',
			'^has_journal,inline_data,bigalloc',
			'-C',
			'16384',
			'-I',
			'1024',
		],
	},
];

const images = new Map<string, Uint8Array>();

/** A new copy of the file system, opened for writing. mke2fs makes each only once. */
export function openWithFiles(features: FeatureSet, size = '8M', files = 2) {
	const key = `${features.options.join(' ')} ${size} ${files}`;
	const image = images.get(key) ?? makeWithFiles(features.options, size, files);
	images.set(key, image);
	return openMade(image.slice());
}

/** Fills what is free with other people's bytes, so that they show where they must not. */
export function soilFreeSpace({volume, device}: MadeVolume): void {
	const {geometry, superblock} = volume;
	const {clusterSize, blockSize, groupCount, clustersPerGroup} = geometry;
	for (let group = 0; group < groupCount; group++) {
		const bits = readBlockBits(volume, group);
		const first = firstBlockOfGroup(superblock, group) * blockSize;
		for (let cluster = 0; cluster < clustersPerGroup; cluster++) {
			const at = first + cluster * clusterSize;
			if (at + clusterSize > device.bytes.length) break;
			if (((bits[cluster >> 3] ?? 0) & (1 << (cluster & 7))) !== 0) continue;
			device.bytes.fill(0xee, at, at + clusterSize);
		}
	}
}
