/** A directory in a directory in a directory. */
import {
	closeSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import {xfstest} from './api.ts';

const depth = 200;

export const test = xfstest({
	title: 'A tree 200 directories deep can be made, walked, moved and removed',
	groups: ['auto', 'quick', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024'], size: '16M'},
	run(t) {
		let path = t.path('top');
		mkdirSync(path);
		for (let level = 1; level < depth; level++) {
			path = `${path}/d${level}`;
			mkdirSync(path);
			writeFileSync(`${path}/file`, String(level));
		}
		t.print(`at the bottom: ${readFileSync(`${path}/file`)}`);
		t.remount();
		const up = '../'.repeat(depth - 1);
		t.print(`down and up again: ${statSync(`${path}/${up}`).ino === statSync(t.path('top')).ino}`);
		t.attempt('into itself', () => renameSync(t.path('top'), `${path}/top`));
		renameSync(t.path('top/d1/d2'), t.path('moved'));
		t.print(`moved: ${readFileSync(`${path.replace('top/d1/d2', 'moved')}/file`)}`);
		t.print(`its parent: ${statSync(t.path('moved/..')).ino === statSync(t.dir).ino}`);
		t.print(`found: ${t.run('find', [t.path('moved'), '-type', 'd']).out.split('\n').length - 1}`);
		rmSync(t.path('top'), {recursive: true});
		t.run('rm', ['-r', t.path('moved')]);
		closeSync(openSync(t.path('after'), 'wx'));
	},
});
