import {
	linkSync,
	mkdirSync,
	readdirSync,
	renameSync,
	rmSync,
	statSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import {xfstest} from './api.ts';

const count = 2500;

export const test = xfstest({
	title: 'A directory grows through the levels of its index, and no name is lost or there twice',
	groups: ['auto', 'quick', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024', '-N', '2000']},
	run(t) {
		const name = (index: number) => `${index}-${'long'.repeat(index % 50)}`;
		const at = (text: string) => t.path('large', text);
		mkdirSync(t.path('large'));
		writeFileSync(t.path('one'), '');
		// One file of many names: they are quick to make.
		const here = new Set<string>();
		const verify = (label: string) => {
			const listed = readdirSync(t.path('large'));
			const lost = [...here].filter(
				each => statSync(at(each), {throwIfNoEntry: false}) === undefined,
			);
			const extra = listed.filter(each => !here.has(each));
			t.print(
				`${label}: ${listed.length} listed, ${lost.length} not found, ${extra.length} too many, ` +
					`${new Set(listed).size} different, links ${statSync(t.path('one')).nlink}`,
			);
		};
		for (let index = 0; index < count; index++) {
			linkSync(t.path('one'), at(name(index)));
			here.add(name(index));
		}
		verify('made');
		t.print(`its size: ${statSync(t.path('large')).size > 150_000}`);
		for (let index = 0; index < count; index += 3) {
			unlinkSync(at(name(index)));
			here.delete(name(index));
		}
		verify('a third removed');
		for (let index = 1; index < count; index += 3) {
			const moved = `moved-${index}-${'x'.repeat(index % 200)}`;
			renameSync(at(name(index)), at(moved));
			here.delete(name(index));
			here.add(moved);
		}
		verify('a third renamed');
		t.remount();
		verify('mounted again');
		for (let index = 0; index < count; index += 3) {
			linkSync(t.path('one'), at(name(index)));
			here.add(name(index));
		}
		verify('filled again');
		for (const each of here) unlinkSync(at(each));
		here.clear();
		verify('emptied');
		rmSync(t.path('large'), {recursive: true});
		t.print(`links of the root: ${statSync(t.dir).nlink}`);
	},
});
