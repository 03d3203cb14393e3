/** Four writers fill the file system; what each had fsynced before must stay whole, and space comes back. */
import {
	closeSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readFileSync,
	rmSync,
	statfsSync,
	writeSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {waitUntil} from './runner/commands.ts';
import {bytesOf, fsync, store} from './tools/files.ts';

export const test = xfstest({
	title: 'A full file system keeps what was fsynced, and gives all space back that is freed',
	groups: ['auto', 'stress', 'rw'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024', '-m', '0'], size: '24M'},
	workers: {
		fill(t, seed) {
			const refused: string[] = [];
			for (let index = 0; refused.length < 3; index++) {
				try {
					const file = openSync(t.path('full', `${seed}-${index}`), 'w');
					try {
						for (let at = 0; at < 20; at++) writeSync(file, bytesOf(index, 15_000));
						fsyncSync(file);
					} finally {
						closeSync(file);
					}
				} catch (error) {
					refused.push(calls.errorCode(error));
				}
			}
			t.print(refused.join(' '));
		},
	},
	async run(t) {
		for (let index = 0; index < 8; index++)
			store(t.path(`kept-${index}`), bytesOf(index, 50_000 + index));
		fsync(t.dir);
		mkdirSync(t.path('full'));
		const free = statfsSync(t.dir).bfree;
		for (let round = 1; round <= 3; round++) {
			const said = await Promise.all([1, 2, 3, 4].map(seed => t.worker('fill', seed)));
			t.print(
				`round ${round}, refused with: ${[...new Set(said.join(' ').trim().split(/\s+/))].join(' ')}`,
			);
			const damaged = Array.from({length: 8}, (_, index) => index).filter(
				index => !readFileSync(t.path(`kept-${index}`)).equals(bytesOf(index, 50_000 + index)),
			);
			t.verdict(
				'what was kept',
				damaged.map(index => `kept-${index} has other bytes`),
			);
			rmSync(t.path('full'), {recursive: true});
			mkdirSync(t.path('full'));
			// It may tell, too, that there was data which found no room.
			t.run('sync', ['-f', t.dir], {expect: null});
			// A server hears a little later that nobody has a removed file open any more.
			waitUntil(() => statfsSync(t.dir).bfree === free, 20);
			const left = free - statfsSync(t.dir).bfree;
			t.verdict('space', left === 0 ? [] : [`${left} blocks did not come back`]);
		}
	},
});
