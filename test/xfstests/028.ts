import {
	closeSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	statfsSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'On a full disk nothing that fsync acknowledged is lost, and what is removed can be used',
	groups: ['auto', 'quick', 'rw'],
	image: {size: '24M', mkfs: ['-t', 'ext4', '-b', '4096', '-m', '0', '-J', 'size=4']},
	run(t) {
		const random = t.rng(28);
		mkdirSync(t.path('folder'));
		t.remount();
		const before = statfsSync(t.dir).bfree;
		const kept = new Map<string, {size: number; byte: number}>();
		const fill = (round: number) => {
			let refused = 0;
			for (let index = 0; refused < 20; index++) {
				const name = `folder/${round}-${index}`;
				const size = 1 + random.below(200_000);
				const byte = 1 + random.below(255);
				const code = t.codeOf(() => {
					const file = openSync(t.path(name), 'w');
					try {
						const bytes = Buffer.alloc(size, byte);
						for (let done = 0; done < size; ) done += writeSync(file, bytes, done);
						fsyncSync(file);
					} finally {
						closeSync(file);
					}
				});
				if (code === undefined) kept.set(name, {size, byte});
				else {
					refused++;
					if (code !== 'ENOSPC') t.print(`${name}: ${code}`);
					rmSync(t.path(name), {force: true});
				}
				if (index > 5000) throw new Error('it does not get full');
			}
		};
		const verify = (label: string) => {
			const wrong = [...kept].flatMap(([name, {size, byte}]) => {
				const bytes = readFileSync(t.path(name));
				const isRight = bytes.length === size && bytes.every(each => each === byte);
				return isRight ? [] : name;
			});
			t.verdict(label, wrong);
		};
		for (let round = 0; round < 3; round++) {
			fill(round);
			verify(`full for the ${round + 1}. time`);
			for (const name of [...kept.keys()].filter((_, index) => index % 2 === 0)) {
				rmSync(t.path(name));
				kept.delete(name);
			}
		}
		fill(9);
		// To the last block.
		const last = openSync(t.path('last'), 'w');
		t.attempt('more than there is', () => calls.fallocate(last, 0, 0, 64 << 20));
		closeSync(last);
		rmSync(t.path('last'));
		t.attempt('a file without contents', () => writeFileSync(t.path('empty'), ''));
		t.remount();
		verify('mounted again');
		for (const name of readdirSync(t.path('folder'))) rmSync(t.path('folder', name));
		rmSync(t.path('empty'), {force: true});
		t.remount();
		// The directory keeps its blocks.
		t.print(`all of it is back: ${before - statfsSync(t.dir).bfree < 10}`);
	},
});
