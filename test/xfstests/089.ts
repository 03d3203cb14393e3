/** Files live on without a name for as long as somebody has them open, and no longer. */
import {
	closeSync,
	fsyncSync,
	openSync,
	readdirSync,
	readSync,
	statfsSync,
	unlinkSync,
	writeSync,
} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync} from './tools/files.ts';

const files = 30;
const length = 20_000;

export const test = xfstest({
	title:
		'Files removed while open keep their bytes, and give their space back when they are closed',
	groups: ['auto', 'quick', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024', '-m', '0'], size: '16M'},
	workers: {
		hold(t, seed) {
			for (let round = 0; round < 5; round++) {
				const open: number[] = [];
				for (let index = 0; index < files; index++) {
					const file = openSync(t.path(`${seed}-${index}`), 'wx+');
					writeSync(file, bytesOf(index, length));
					unlinkSync(t.path(`${seed}-${index}`));
					open.push(file);
				}
				for (const [index, file] of open.entries()) {
					// Written once more where it has no name any more.
					writeSync(file, bytesOf(index + 1, 100), 0, 100, 0);
					if (index % 5 === 0) fsyncSync(file);
					const found = Buffer.alloc(length);
					readSync(file, found, 0, length, 0);
					const wanted = Buffer.concat([
						bytesOf(index + 1, 100),
						bytesOf(index, length).subarray(100),
					]);
					if (!found.equals(wanted)) throw new Error(`file ${index} has other bytes`);
					closeSync(file);
				}
			}
		},
	},
	async run(t) {
		fsync(t.dir);
		const {bfree, ffree} = statfsSync(t.dir);
		await Promise.all([1, 2, 3].map(seed => t.worker('hold', seed)));
		t.print(`names: ${readdirSync(t.dir).join(' ')}`);
		t.remount();
		const after = statfsSync(t.dir);
		t.print(`blocks missing: ${bfree - after.bfree}, inodes: ${ffree - after.ffree}`);
	},
});
