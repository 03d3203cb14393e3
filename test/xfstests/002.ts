import {
	existsSync,
	linkSync,
	mkdirSync,
	readFileSync,
	renameSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

type Kind = 'missing' | 'file' | 'empty' | 'full';
const kinds: readonly Kind[] = ['missing', 'file', 'empty', 'full'];

export const test = xfstest({
	title: 'rename takes or refuses every pair of file, empty and full directory, with each flag',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['no-replace', 'exchange'],
	run(t) {
		const make = (path: string, kind: Kind) => {
			if (kind === 'file') writeFileSync(path, path);
			if (kind === 'empty' || kind === 'full') mkdirSync(path);
			if (kind === 'full') writeFileSync(`${path}/inside`, '');
		};
		const look = (path: string) => {
			if (!existsSync(path)) return 'missing';
			if (!statSync(path).isDirectory()) return 'file';
			return existsSync(`${path}/inside`) ? 'full' : 'empty';
		};
		const {noReplace, exchange} = calls.renaming;
		const flags = {plain: 0, 'no-replace': noReplace, exchange, both: noReplace | exchange};
		let count = 0;
		for (const [word, flag] of Object.entries(flags)) {
			for (const from of kinds) {
				for (const to of kinds) {
					const folder = t.path(String(count++));
					mkdirSync(folder);
					make(`${folder}/from`, from);
					make(`${folder}/to`, to);
					t.attempt(`${word}, ${from} to ${to}`, () => {
						if (flag === 0) renameSync(`${folder}/from`, `${folder}/to`);
						else calls.rename(`${folder}/from`, `${folder}/to`, flag);
						return `${look(`${folder}/from`)} and ${look(`${folder}/to`)}`;
					});
				}
			}
		}
		mkdirSync(t.path('a/b/c'), {recursive: true});
		t.attempt('into itself', () => renameSync(t.path('a'), t.path('a/b/c/d')));
		t.attempt('onto its parent', () => renameSync(t.path('a/b/c'), t.path('a/b')));
		t.attempt('onto itself', () => renameSync(t.path('a'), t.path('a')));
		writeFileSync(t.path('one'), 'same');
		linkSync(t.path('one'), t.path('two'));
		t.attempt('onto another link of it', () => renameSync(t.path('one'), t.path('two')));
		t.print(`both are left: ${existsSync(t.path('one'))}, ${readFileSync(t.path('two'), 'utf8')}`);
		t.print(`links of a: ${statSync(t.path('a')).nlink}`);
		renameSync(t.path('a/b'), t.path('moved'));
		t.print(`links of a, emptied: ${statSync(t.path('a')).nlink}`);
		t.print(`what .. is, moved: ${statSync(t.path('moved/..')).ino === statSync(t.dir).ino}`);
	},
});
