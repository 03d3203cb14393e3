/** Four processes make, rename, link and unlink the same few names in one folder. */
import {
	linkSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	renameSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import {calls, type TestContext, xfstest} from './api.ts';

const lost = new Set(['ENOENT', 'EEXIST']);

function problemsOf(t: TestContext): string[] {
	const names = readdirSync(t.path('storm'));
	const problems = new Set(names).size === names.length ? [] : ['a name is listed twice'];
	const found = new Map<number, number>();
	for (const name of names) {
		const {ino} = lstatSync(t.path('storm', name));
		found.set(ino, (found.get(ino) ?? 0) + 1);
	}
	for (const name of names) {
		const {ino, nlink} = lstatSync(t.path('storm', name));
		if (nlink !== found.get(ino))
			problems.push(`${name} has ${nlink} links and ${found.get(ino)} names`);
	}
	return problems;
}

export const test = xfstest({
	title: 'Processes that fight for names leave a folder where names and links agree',
	groups: ['auto', 'stress', 'metadata'],
	image: {size: '32M'},
	workers: {
		fight(t, seed, rounds) {
			const random = t.rng(Number(seed));
			const name = () => t.path('storm', `name-${random.below(24)}`);
			const actions = [
				() => writeFileSync(name(), '', {flag: 'wx'}),
				() => renameSync(name(), name()),
				() => linkSync(name(), name()),
				() => unlinkSync(name()),
			];
			for (let round = 0; round < Number(rounds); round++) {
				try {
					random.pick(actions)();
				} catch (error) {
					if (!lost.has(calls.errorCode(error))) throw error;
				}
			}
		},
	},
	async run(t) {
		mkdirSync(t.path('storm'));
		await Promise.all([1, 2, 3, 4].map(seed => t.worker('fight', seed, 1500)));
		t.verdict('names and links', problemsOf(t));
		t.remount();
		t.verdict('after mounting again', problemsOf(t));
		for (const name of readdirSync(t.path('storm'))) unlinkSync(t.path('storm', name));
		t.attempt('the folder, emptied, goes', () => t.run('rmdir', [t.path('storm')]).status);
	},
});
