import {
	appendFileSync,
	chmodSync,
	chownSync,
	linkSync,
	mkdirSync,
	readFileSync,
	renameSync,
	rmdirSync,
	statSync,
	symlinkSync,
	truncateSync,
	unlinkSync,
	utimesSync,
	writeFileSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

const past = 1_000_000;

export const test = xfstest({
	title: 'Each operation moves the times that it should, and no others',
	groups: ['auto', 'quick', 'metadata'],
	image: {mount: 'noatime'},
	needs: ['xattr'],
	run(t) {
		const at = (name: string) => t.path('folder', name);
		const names = ['folder', 'folder/file', 'other'];
		const look = () => {
			const stats = names.map(name =>
				statSync(t.path(name), {bigint: true, throwIfNoEntry: false}),
			);
			return stats.map(stat => ({a: stat?.atimeNs, m: stat?.mtimeNs, c: stat?.ctimeNs}));
		};
		const steps: Record<string, () => void> = {
			read: () => readFileSync(at('file')),
			write: () => writeFileSync(at('file'), 'other words', {flag: 'r+'}),
			append: () => appendFileSync(at('file'), 'more'),
			'write nothing': () => writeFileSync(at('file'), '', {flag: 'r+'}),
			truncate: () => truncateSync(at('file'), 2),
			'truncate to the same': () => truncateSync(at('file'), 2),
			chmod: () => chmodSync(at('file'), 0o600),
			'chmod to the same': () => chmodSync(at('file'), 0o600),
			chown: () => chownSync(at('file'), process.getuid?.() ?? 0, process.getgid?.() ?? 0),
			utimes: () => utimesSync(at('file'), past, past),
			setxattr: () => calls.setXattr(at('file'), 'user.a', 'b'),
			removexattr: () => calls.removeXattr(at('file'), 'user.a'),
			link: () => linkSync(at('file'), at('link')),
			'unlink the link': () => unlinkSync(at('link')),
			'link elsewhere': () => linkSync(at('file'), t.path('other/link')),
			'unlink there': () => unlinkSync(t.path('other/link')),
			create: () => writeFileSync(at('new'), ''),
			'rename there and back': () => {
				renameSync(at('new'), t.path('other/new'));
				renameSync(t.path('other/new'), at('new'));
			},
			'rename within': () => renameSync(at('new'), at('newer')),
			'rename the file': () => renameSync(at('file'), at('file2')),
			'and back': () => renameSync(at('file2'), at('file')),
			unlink: () => unlinkSync(at('newer')),
			mkdir: () => mkdirSync(at('inner')),
			rmdir: () => rmdirSync(at('inner')),
			symlink: () => symlinkSync('x', at('symbolic')),
			mkfifo: () => calls.mknod(at('fifo'), 0o010_600),
			'a name that is there': () => t.codeOf(() => mkdirSync(at('fifo'))),
			'a name that is not': () => t.codeOf(() => unlinkSync(at('nothing'))),
		};
		mkdirSync(t.path('folder'));
		mkdirSync(t.path('other'));
		writeFileSync(at('file'), 'some words');
		for (const [label, step] of Object.entries(steps)) {
			for (const name of names) {
				const path = t.path(name);
				if (statSync(path, {throwIfNoEntry: false})) utimesSync(path, past, past);
			}
			// The kernel's clock for times of files goes by ticks.
			t.run('sleep', ['0.03']);
			const before = look();
			step();
			const after = look();
			const moved = names.flatMap((name, index) => {
				const [was, is] = [before[index], after[index]];
				if (was?.m === undefined || is?.m === undefined) return [];
				const letters = (['a', 'm', 'c'] as const).filter(each => was[each] !== is[each]);
				return letters.length === 0 ? [] : `${name} ${letters.join('')}`;
			});
			t.print(`${label}: ${moved.join(', ') || 'none'}`);
		}
	},
});
