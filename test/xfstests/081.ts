/** Inodes run out before blocks do. */
import {
	closeSync,
	mkdirSync,
	openSync,
	readdirSync,
	rmSync,
	statfsSync,
	symlinkSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {waitUntil} from './runner/commands.ts';

export const test = xfstest({
	title:
		'A file system without inodes left refuses new files of every kind, and takes them again later',
	groups: ['auto', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024', '-N', '256'], size: '16M'},
	workers: {
		fill(t, seed) {
			let made = 0;
			try {
				for (; ; made++) closeSync(openSync(t.path('full', `${seed}-${made}`), 'wx'));
			} catch (error) {
				t.print(`${made} ${calls.errorCode(error)}`);
			}
		},
	},
	async run(t) {
		mkdirSync(t.path('full'));
		const free = statfsSync(t.dir).ffree;
		for (let round = 1; round <= 3; round++) {
			const said = await Promise.all([1, 2, 3].map(seed => t.worker('fill', seed)));
			const ends = said.map(line => line.trim().split(' '));
			const made = ends.reduce((sum, [count]) => sum + Number(count), 0);
			t.print(`round ${round}: ${[...new Set(ends.map(([, code]) => code))].join(' ')}`);
			t.verdict('inodes', made === free ? [] : [`${made} files of ${free}`]);
			t.print(
				`free: ${statfsSync(t.dir).ffree}, listed: ${readdirSync(t.path('full')).length === made}`,
			);
			t.attempt('a directory', () => mkdirSync(t.path('d')));
			t.attempt('a symbolic link', () => symlinkSync('x', t.path('s')));
			rmSync(t.path('full'), {recursive: true});
			t.attempt('a directory, again', () => mkdirSync(t.path('full')));
			// A server hears a little later that nobody has a removed file open any more.
			waitUntil(() => statfsSync(t.dir).ffree === free, 20);
			const back = statfsSync(t.dir).ffree;
			t.verdict('inodes are back', back === free ? [] : [`${back} of ${free}`]);
		}
	},
});
