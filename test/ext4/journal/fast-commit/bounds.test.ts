import * as fs from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {ReplayBounds} from '../../../../ext4/journal/fast-commit/bounds.ts';
import {corruptBy} from '../../../support/corrupt.ts';
import {hasDebugfs} from '../../../support/e2fsprogs.ts';
import {FastCommitImage, transaction} from '../../../support/fast-commit-image.ts';
import {TinyImage} from '../../../support/tiny-image.ts';

const itest = hasDebugfs ? test.serial : test.skip;
const fileCount = 18;
const perBlock = 256;
/** Pointers of a block of doubly indirect ones: so many that the file is no longer than its disk. */
const mapCount = 62;

/**
 * Files `f0`, `f1` and so on, and a directory `many` with a block of names, in block maps without
 * checksums. Returns also the numbers of a block of pointers and of one of pointers to such blocks,
 * all of which are the same: they lead to block `data` some 16,000 times.
 */
function makeImage() {
	const image = new FastCommitImage(['-O', '^extent,^64bit,^dir_index,^metadata_csum'], folder => {
		fs.mkdirSync(path.join(folder, 'many'));
		for (let index = 0; index < 25; index++) {
			fs.writeFileSync(path.join(folder, 'many', `name number ${index}`), '');
		}
		for (let index = 0; index < fileCount; index++) {
			fs.writeFileSync(path.join(folder, `f${index}`), 'data');
		}
	});
	const view = new DataView(image.bytes.buffer);
	const leadTo = (data: number) => {
		const single = image.freeBlocks(2);
		for (let index = 0; index < perBlock; index++) {
			view.setUint32(single * 1024 + index * 4, data, true);
			const below = index < mapCount ? single : 0;
			view.setUint32((single + 1) * 1024 + index * 4, below, true);
		}
		return {0: data, 12: single, 13: single + 1};
	};
	const firstBlockOf = (number: number) =>
		new DataView(image.fieldsOf(number, 128).buffer).getUint32(0x28, true);
	return {image, leadTo, firstBlockOf};
}

const sizeBytes = (12 + perBlock * (1 + mapCount)) * 1024;

itest('files that share their map have no more pieces in memory than one may', t => {
	const {image, leadTo, firstBlockOf} = makeImage();
	const files = Array.from({length: fileCount}, (_, index) => image.inodeOf(`/f${index}`));
	const pointers = leadTo(firstBlockOf(files[0] ?? 0));
	for (const number of files) image.setMap(number, pointers, sizeBytes);
	const error = corruptBy('EXT4_BAD_JOURNAL', () =>
		image.replay(commits => {
			for (const number of files) commits.deleteRange(number, {logical: 0, length: 1});
			commits.tail(transaction);
		}),
	);
	t.regex(error.message, /over 262144 pieces/);
});

itest('nor has a directory that names its one block over and over more names', t => {
	const {image, leadTo, firstBlockOf} = makeImage();
	const many = image.inodeOf('/many');
	image.setMap(many, leadTo(firstBlockOf(many)), sizeBytes);
	const error = corruptBy('EXT4_BAD_JOURNAL', () =>
		image.replay(commits =>
			commits.entry('link', many, image.inodeOf('/f0'), 'new').tail(transaction),
		),
	);
	t.regex(error.message, /over 262144 names/);
	t.is(error.place.inode, many);
});

test('looking for ever comes to its end', t => {
	const volume = new TinyImage().open();
	const bounds = new ReplayBounds(volume);
	const error = corruptBy('EXT4_BAD_JOURNAL', () =>
		bounds.within(() => {
			for (;;) volume.cache.read(1);
		}),
	);
	t.regex(error.message, /too much/);
	t.notThrows(() => volume.cache.read(1));
});
