/** Attributes of all sizes on many files, equal ones among them, which may share a block. */
import {unlinkSync, writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

const files = 12;

export const test = xfstest({
	title: 'A storm of attributes leaves every file with its own',
	groups: ['auto', 'stress', 'metadata'],
	needs: ['xattr'],
	image: {size: '32M'},
	workers: {
		storm(t, seed, rounds) {
			const random = t.rng(Number(seed));
			const own = (index: number) => t.path(`file-${seed}-${index}`);
			const model = Array.from({length: files}, () => new Map<string, string>());
			for (let index = 0; index < files; index++) writeFileSync(own(index), '');
			for (let round = 0; round < Number(rounds); round++) {
				const index = random.below(files);
				const values = model[index] ?? new Map();
				const name = `user.${'n'.repeat(1 + random.below(30))}${random.below(3)}`;
				if (random.chance(0.3) && values.size > 0) {
					const gone = random.pick([...values.keys()]);
					calls.removeXattr(own(index), gone);
					values.delete(gone);
				} else if (random.chance(0.1)) {
					unlinkSync(own(index));
					writeFileSync(own(index), '');
					values.clear();
				} else {
					// Few different values, so that blocks are alike.
					const value = String(random.below(3)).repeat(random.pick([0, 10, 60, 400, 1500]));
					try {
						calls.setXattr(own(index), name, value);
						values.set(name, value);
					} catch (error) {
						if (calls.errorCode(error) !== 'ENOSPC') throw error; // No room left beside the others.
					}
				}
			}
			t.print(JSON.stringify(model.map(values => [...values].sort())));
		},
	},
	async run(t) {
		const seeds = [1, 2, 3];
		const said = await Promise.all(seeds.map(seed => t.worker('storm', seed, 800)));
		const verify = (when: string) => {
			const problems: string[] = [];
			for (const [process, seed] of seeds.entries()) {
				const model: [string, string][][] = JSON.parse(said[process] ?? '');
				for (const [index, wanted] of model.entries()) {
					const path = t.path(`file-${seed}-${index}`);
					const names = calls.listXattrs(path).filter(name => name.startsWith('user.'));
					const found = names.map(name => [name, calls.getXattr(path, name).toString()]);
					if (JSON.stringify(found) !== JSON.stringify(wanted))
						problems.push(`${path} has ${names}`);
				}
			}
			t.verdict(`attributes, ${when}`, problems);
		};
		verify('at once');
		t.remount();
		verify('after mounting again');
	},
});
