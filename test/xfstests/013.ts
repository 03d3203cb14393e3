import {
	lstatSync,
	mkdirSync,
	readFileSync,
	readlinkSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {xfstest} from './api.ts';

const lengths = [1, 2, 58, 59, 60, 61, 255, 1000, 1022, 1023, 1024, 4095, 4096];

export const test = xfstest({
	title: 'Symbolic links of every length are kept, up to one block less one byte',
	groups: ['auto', 'quick', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024']},
	run(t) {
		const target = (length: number) => 'abcdefghi/'.repeat(500).slice(0, length);
		for (const length of lengths) {
			t.attempt(`${length} bytes`, () => {
				symlinkSync(target(length), t.path(`link-${length}`));
				return lstatSync(t.path(`link-${length}`)).size;
			});
		}
		t.attempt('no bytes', () => symlinkSync('', t.path('none')));
		t.attempt('where one is', () => symlinkSync('x', t.path('link-1')));
		writeFileSync(t.path('file'), 'at the end');
		symlinkSync('file', t.path('chain-0'));
		for (let step = 1; step <= 41; step++)
			symlinkSync(`chain-${step - 1}`, t.path(`chain-${step}`));
		t.attempt('a chain of 40', () => readFileSync(t.path('chain-39'), 'utf8'));
		t.attempt('a chain of 41', () => readFileSync(t.path('chain-40'), 'utf8'));
		symlinkSync('loop', t.path('loop'));
		t.attempt('a loop', () => readFileSync(t.path('loop')));
		symlinkSync(Buffer.from([0xff, 0xfe, 0x0a, 0x20]), t.path('bytes'));
		mkdirSync(t.path('folder'));
		symlinkSync('../file', t.path('folder/up'));
		symlinkSync('nowhere', t.path('dangling'));
		t.attempt('writing through one that leads nowhere', () =>
			writeFileSync(t.path('dangling'), 'now'),
		);
		t.remount();
		for (const length of lengths.filter(each => each < 1024)) {
			const isSame = readlinkSync(t.path(`link-${length}`)) === target(length);
			if (!isSame) t.print(`${length} bytes have changed`);
		}
		t.print(readlinkSync(t.path('bytes'), {encoding: 'buffer'}).toString('hex'));
		t.print(readFileSync(t.path('folder/up'), 'utf8'));
		t.print(readFileSync(t.path('nowhere'), 'utf8'));
		t.print(`mode ${lstatSync(t.path('link-1')).mode.toString(8)}`);
		const blocks = [59, 60, 61].map(length => lstatSync(t.path(`link-${length}`)).blocks);
		t.print(`sectors of 59, 60, 61 bytes: ${blocks}`);
	},
});
