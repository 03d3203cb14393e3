import {mkdirSync, readdirSync, renameSync, rmdirSync, statSync, writeFileSync} from 'node:fs';
import {xfstest} from './api.ts';

const processes = 4;
const rounds = 250;

export const test = xfstest({
	title: 'Directories that several processes rename into each other stay one tree',
	groups: ['auto', 'quick', 'metadata', 'stress'],
	workers: {
		move(t, seed) {
			const random = t.rng(Number(seed));
			const counts: Record<string, number> = {};
			const folder = () => {
				const steps = Array.from({length: 1 + random.below(3)}, () => `d${random.below(6)}`);
				return t.path(...steps);
			};
			for (let round = 0; round < rounds; round++) {
				const [from, to] = [folder(), folder()];
				const way = random.below(4);
				const code = t.codeOf(() => {
					if (way === 0) mkdirSync(from);
					else if (way === 1) rmdirSync(from);
					else renameSync(from, to);
				});
				const key = code === undefined ? 'ok' : String(code);
				counts[key] = (counts[key] ?? 0) + 1;
			}
			t.print(Object.keys(counts).join(' '));
		},
	},
	async run(t) {
		for (let index = 0; index < 6; index++) {
			mkdirSync(t.path(`d${index}`));
			writeFileSync(t.path(`d${index}`, `file-${index}`), String(index));
		}
		const seeds = Array.from({length: processes}, (_, index) => 37 + index);
		const said = await Promise.all(seeds.map(seed => t.worker('move', seed)));
		const allowed = ['ok', 'ENOENT', 'EEXIST', 'ENOTEMPTY', 'EINVAL'];
		const codes = new Set(said.flatMap(line => line.trim().split(' ')));
		t.verdict(
			'what renames fail with',
			[...codes].filter(code => !allowed.includes(code)),
		);
		const look = (label: string) => {
			const files: string[] = [];
			const wrong: string[] = [];
			const seen = new Set<number>();
			const walk = (path: string, parent: number) => {
				const {ino, nlink} = statSync(path);
				if (seen.has(ino)) wrong.push(`${path} is met twice`);
				seen.add(ino);
				if (statSync(`${path}/..`).ino !== parent) wrong.push(`.. of ${path} is another`);
				let folders = 0;
				for (const entry of readdirSync(path, {withFileTypes: true})) {
					if (entry.isDirectory()) {
						folders++;
						walk(`${path}/${entry.name}`, ino);
					} else files.push(entry.name);
				}
				if (path !== t.dir && nlink !== folders + 2) wrong.push(`${path} has ${nlink} links`);
			};
			walk(t.dir, statSync(`${t.dir}/..`).ino);
			t.verdict(label, wrong);
			t.print(`files: ${files.sort().join(' ')}`);
		};
		look('the tree');
		t.remount();
		look('mounted again');
	},
});
