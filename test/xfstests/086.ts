/** Writers work while others ask, again and again, for everything to be written. */
import {closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {bytesOf, fsync} from './tools/files.ts';

export const test = xfstest({
	title: 'A storm of sync, syncfs and fsync among writers ends, and all is there',
	groups: ['auto', 'stress', 'rw'],
	image: {size: '48M'},
	workers: {
		write(t, seed) {
			for (let index = 0; index < 150; index++) {
				writeFileSync(t.path('d', `${seed}.new`), bytesOf(index, 7000));
				renameSync(t.path('d', `${seed}.new`), t.path('d', `${seed}-${index % 20}`));
				if (index % 10 === 0) fsync(t.path('d', `${seed}-${index % 20}`));
			}
		},
		sync(t) {
			const root = openSync(t.dir, 'r');
			for (let round = 0; round < 60; round++) {
				calls.syncFileSystem(root);
				if (round % 2 === 0) fsync(t.path('d'));
			}
			closeSync(root);
		},
	},
	async run(t) {
		mkdirSync(t.path('d'));
		await Promise.all([
			t.worker('write', 1),
			t.worker('write', 2),
			t.worker('sync'),
			t.worker('sync'),
		]);
		const problems = () =>
			[1, 2].flatMap(seed =>
				Array.from({length: 20}, (_, index) => index)
					// The last round that wrote it.
					.filter(index => {
						const last = index < 10 ? 140 + index : 120 + index;
						return !readFileSync(t.path('d', `${seed}-${index}`)).equals(bytesOf(last, 7000));
					})
					.map(index => `${seed}-${index} is not the last one written`),
			);
		t.verdict('files', problems());
		t.remount();
		t.verdict('files after mounting again', problems());
	},
});
