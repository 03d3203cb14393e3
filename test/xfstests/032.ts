import {
	closeSync,
	existsSync,
	fstatSync,
	openSync,
	readdirSync,
	readFileSync,
	statfsSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'A file made without a name gets one, or goes without a trace',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['nameless'],
	run(t) {
		t.remount();
		const before = statfsSync(t.dir);
		const file = calls.openNameless(t.dir, true, 0o640);
		writeSync(file, 'nameless as yet');
		const {nlink, mode, size} = fstatSync(file);
		t.print(`links ${nlink}, mode ${mode.toString(8)}, size ${size}`);
		t.print(`in the directory: ${readdirSync(t.dir)}`);
		writeFileSync(t.path('taken'), '');
		t.attempt('a name that is taken', () => calls.linkDescriptor(file, t.path('taken')));
		t.attempt('a name', () => calls.linkDescriptor(file, t.path('named')));
		t.attempt('another', () => calls.linkDescriptor(file, t.path('named too')));
		t.print(`links ${fstatSync(file).nlink}`);
		writeSync(file, ', and now named');
		closeSync(file);
		const hidden = calls.openNameless(t.dir, false);
		writeSync(hidden, 'never to be seen');
		t.attempt('one that may get no name', () => calls.linkDescriptor(hidden, t.path('hidden')));
		closeSync(hidden);
		const many = Array.from({length: 50}, () => calls.openNameless(t.dir));
		for (const [index, each] of many.entries()) {
			writeSync(each, Buffer.alloc(10_000, index));
			if (index % 5 === 0) calls.linkDescriptor(each, t.path(`many-${index}`));
		}
		for (const each of many) closeSync(each);
		t.attempt('in what is no directory', () => calls.openNameless(t.path('taken')));
		t.attempt('in what is not there', () => calls.openNameless(t.path('nothing')));
		t.attempt('for reading alone', () => openSync(t.dir, calls.open.tmpfile | 0, 0o600));
		// Given up for good: a link count that fell to nothing does not rise again.
		const gone = openSync(t.path('gone'), 'w+');
		t.run('rm', ['gone']);
		t.attempt('a name for one that was removed', () => calls.linkDescriptor(gone, t.path('gone')));
		closeSync(gone);
		t.remount();
		t.print(readFileSync(t.path('named'), 'utf8'));
		t.print(readFileSync(t.path('named too'), 'utf8'));
		t.print(`hidden: ${existsSync(t.path('hidden'))}`);
		t.print(readdirSync(t.dir).sort().join(' '));
		t.print(`inodes taken: ${before.ffree - statfsSync(t.dir).ffree}`);
		const bytes = readFileSync(t.path('many-45'));
		t.print(`contents: ${bytes.length} ${bytes.every(byte => byte === 45)}`);
	},
});
