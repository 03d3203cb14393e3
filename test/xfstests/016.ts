import {closeSync, mkdirSync, openSync, renameSync, unlinkSync, writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

const count = 2000;
const name = (index: number) => `entry-${String(index).padStart(5, '0')}-with-a-longer-name`;

export const test = xfstest({
	title: 'What stays in a directory is listed exactly once while all around it changes',
	groups: ['auto', 'quick', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024']},
	run(t) {
		mkdirSync(t.path('folder'));
		const at = (file: string) => t.path('folder', file);
		for (let index = 0; index < count; index++) writeFileSync(at(name(index)), '');
		const folder = openSync(t.path('folder'), 'r');
		const seen = new Map<string, number>();
		const random = t.rng(16);
		let made = 0;
		for (let round = 0; ; round++) {
			const entries = calls.readEntries(folder, 2048);
			if (entries.length === 0) break;
			for (const entry of entries) {
				const text = entry.name.toString();
				seen.set(text, (seen.get(text) ?? 0) + 1);
			}
			// Those with an odd number stay; of the others some go, some get another name, and new ones come.
			for (let change = 0; change < 20; change++) {
				const index = random.below(count / 2) * 2;
				const way = random.below(3);
				if (way === 0) t.codeOf(() => unlinkSync(at(name(index))));
				if (way === 1) t.codeOf(() => renameSync(at(name(index)), at(`${name(index)}-moved`)));
				if (way === 2 && made < 500) writeFileSync(at(`new-${made++}`), '');
			}
			if (round > 10_000) throw new Error('the directory has no end');
		}
		const wrong: string[] = [];
		for (let index = 1; index < count; index += 2) {
			const times = seen.get(name(index)) ?? 0;
			if (times !== 1) wrong.push(`${name(index)} was listed ${times} times`);
		}
		t.verdict('those that stayed', wrong);
		const twice = [...seen].filter(([, times]) => times > 1).map(([text]) => text);
		t.verdict('the others, at most once', twice);
		calls.lseek(folder, 0, 0);
		const again = new Set<string>();
		for (;;) {
			const entries = calls.readEntries(folder);
			if (entries.length === 0) break;
			for (const entry of entries) again.add(entry.name.toString());
		}
		const lost = Array.from({length: count / 2}, (_, index) => name(index * 2 + 1)).filter(
			each => !again.has(each),
		);
		t.verdict('from the start again', lost);
		t.print(`new ones: ${[...again].filter(each => each.startsWith('new-')).length === made}`);
		closeSync(folder);
	},
});
