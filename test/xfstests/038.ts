import {
	closeSync,
	constants,
	linkSync,
	mkdirSync,
	openSync,
	readdirSync,
	rmdirSync,
	symlinkSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

const names = 60;
const {O_CREAT, O_EXCL, O_WRONLY} = constants;
const ways = ['open', 'mkdir', 'symlink', 'link', 'rename', 'unlink', 'rmdir'] as const;

export const test = xfstest({
	title: 'Of several processes that make or remove one name, exactly one succeeds',
	groups: ['auto', 'quick', 'metadata', 'stress'],
	needs: ['no-replace'],
	workers: {
		race(t, me) {
			const mine = t.path(`mine-${me}`);
			mkdirSync(mine);
			writeFileSync(`${mine}/source`, '');
			const acts = {
				open: (at: string) => closeSync(openSync(at, O_CREAT | O_EXCL | O_WRONLY, 0o600)),
				mkdir: (at: string) => mkdirSync(at),
				symlink: (at: string) => symlinkSync(`${me}`, at),
				link: (at: string) => linkSync(`${mine}/source`, at),
				rename: (at: string) => {
					writeFileSync(`${mine}/moved`, '');
					calls.rename(`${mine}/moved`, at, calls.renaming.noReplace);
				},
				unlink: (at: string) => unlinkSync(at),
				rmdir: (at: string) => rmdirSync(at),
			};
			const won: string[] = [];
			for (const way of ways) {
				for (let index = 0; index < names; index++) {
					const code = t.codeOf(() => acts[way](t.path(way, String(index))));
					const lost = way === 'unlink' || way === 'rmdir' ? 'ENOENT' : 'EEXIST';
					if (code === undefined) won.push(`${way}/${index}`);
					else if (code !== lost) won.push(`${way}/${index}: ${code}`);
				}
			}
			t.print(won.join('\n'));
		},
	},
	async run(t) {
		for (const way of ways) {
			mkdirSync(t.path(way));
			for (let index = 0; index < names; index++) {
				if (way === 'unlink') writeFileSync(t.path(way, String(index)), '');
				if (way === 'rmdir') mkdirSync(t.path(way, String(index)));
			}
		}
		const racers = ['a', 'b', 'c', 'd'];
		const said = await Promise.all(racers.map(racer => t.worker('race', racer)));
		const won = new Map<string, number>();
		for (const line of said.flatMap(text => text.split('\n').filter(each => each !== ''))) {
			won.set(line, (won.get(line) ?? 0) + 1);
		}
		for (const way of ways) {
			const all = Array.from({length: names}, (_, index) => `${way}/${index}`);
			const wrong = all.filter(each => won.get(each) !== 1);
			t.verdict(
				way,
				wrong.map(each => `${each} was won ${won.get(each) ?? 0} times`),
			);
			t.print(`left: ${readdirSync(t.path(way)).length}`);
		}
		const others = [...won.keys()].filter(line => line.includes(':'));
		t.verdict('other errors', others);
	},
});
