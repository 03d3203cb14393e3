/** The server is killed under load (the kernel's ext4: is shut down without its log being written). */
import {lstatSync, readFileSync} from 'node:fs';
import {resolve} from 'node:path';
import {type Fact, factsOf} from '../stress/facts.ts';
import {xfstest} from './api.ts';

const load = resolve(import.meta.dirname, '../stress/fsync-load.ts');

function problemOf(path: string, fact: Fact): string | undefined {
	if (fact === 'open') return undefined;
	const isThere = lstatSync(path, {throwIfNoEntry: false}) !== undefined;
	if (fact === 'gone') return isThere ? `${path} is there, and was removed` : undefined;
	if (!isThere) return `${path} is not there`;
	const found = readFileSync(path);
	if (found.length !== fact.length) return `${path} has ${found.length} bytes, not ${fact.length}`;
	return found.every(byte => byte === fact.byte) ? undefined : `${path} has other bytes`;
}

export const test = xfstest({
	title: 'What fsync has returned for is there when the server is killed under load',
	groups: ['auto', 'recovery', 'stress'],
	needs: ['root'],
	image: {size: '64M'},
	async run(t) {
		if (t.system === 'fuse2fs') t.notRun('fuse2fs writes no journal');
		for (let round = 1; round <= 3; round++) {
			const folder = t.path(`round-${round}`);
			t.run('mkdir', [folder]);
			const {child, ended} = t.start('sh', [
				'-c',
				'cd "$1" && exec "$0" "$2" "$3"',
				process.execPath,
				folder,
				load,
				String(round),
			]);
			await new Promise<void>((enough, tooFew) => {
				let lines = 0;
				child.stdout?.on('data', text => {
					lines += String(text).split('\n').length - 1;
					if (lines >= 40) enough();
				});
				child.once('close', () => tooFew(new Error('the load has ended by itself')));
			});
			// On the kernel's the load would keep it busy; elsewhere it goes on until its end is noticed.
			if (t.system === 'kernel') {
				child.kill('SIGKILL');
				await ended;
			}
			t.crash();
			child.kill('SIGKILL');
			const facts = factsOf((await ended).out);
			const problems: string[] = [];
			for (const [name, fact] of facts) {
				const problem = problemOf(`${folder}/${name}`, fact);
				if (problem !== undefined) problems.push(problem);
			}
			t.full(`${facts.size} facts`);
			t.verdict(`round ${round}, what was fsynced`, problems);
		}
	},
});
