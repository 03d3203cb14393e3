/** Directories are moved into each other by several processes; a loop would cut them off for ever. */
import {mkdirSync, writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

/** What a move may meet where another has been faster. */
const lost = new Set(['ENOENT', 'EINVAL', 'EEXIST']);
const count = 8;

export const test = xfstest({
	title: 'Directories that are moved about by several processes stay one tree',
	groups: ['auto', 'quick', 'stress', 'metadata'],
	needs: ['no-replace'],
	image: {size: '16M'},
	workers: {
		move(t, seed) {
			const random = t.rng(Number(seed));
			const some = () => `d${random.below(count)}`;
			const place = () => t.path(...Array.from({length: 1 + random.below(4)}, some));
			for (let round = 0; round < 600; round++) {
				try {
					calls.rename(place(), place(), calls.renaming.noReplace);
				} catch (error) {
					if (!lost.has(calls.errorCode(error))) throw error;
				}
			}
		},
	},
	async run(t) {
		for (let index = 0; index < count; index++) {
			mkdirSync(t.path(`d${index}`));
			writeFileSync(t.path(`d${index}`, `file-${index}`), '');
		}
		await Promise.all([1, 2, 3].map(seed => t.worker('move', seed)));
		const found = () => {
			const {out} = t.run('find', ['.', '-name', 'file-*', '-printf', '%f\n']);
			return out.trim().split('\n').sort().join(' ');
		};
		t.print(found());
		t.remount();
		t.print(found());
	},
});
