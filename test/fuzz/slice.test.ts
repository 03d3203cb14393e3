/** A slice of `npm run fuzz`: enough to see that it works and that nothing obvious broke. */
import test from 'ava';
import {MemoryDevice} from '../support/memory-device.ts';
import {loadBases} from './bases.ts';
import {runCampaign, runRecipes} from './campaign.ts';
import {readCorpus} from './corpus.ts';
import {Drives} from './drives.ts';
import {PreparedImage} from './images.ts';
import {instrument} from './instrument.ts';
import {formatRecipe, parseRecipe} from './recipe.ts';
import {walkImage} from './walk.ts';

test('every base image is read whole without an error before it is mutated', t => {
	const bases = loadBases();
	for (const {name, bytes} of bases) {
		const result = walkImage(new MemoryDevice(bytes, true));
		t.deepEqual([...result.errors], [], name);
		t.is(result.namesLost, 0, name);
		t.true(result.inodesRead >= 15 && result.bytesRead > 5_000, name);
	}
	t.true(bases.length >= 15);
});

test('a recipe gives the same image each time, and leaves its base as it was', t => {
	const drives = new Drives();
	const bases = loadBases();
	let changed = 0;
	for (let seed = 1; seed <= 60; seed++) {
		const base = bases[seed % bases.length];
		if (base === undefined) throw new RangeError('no base');
		const recipe = {drive: 'read', base: base.name, seeds: [seed, seed + 7]} as const;
		const first = drives.image(recipe);
		t.true(Buffer.from(first.bytes).equals(drives.image(recipe).bytes));
		t.true(Buffer.from(first.bytes).equals(new Drives().image(recipe).bytes));
		if (!Buffer.from(base.bytes).equals(first.bytes)) changed++;
		t.true(Buffer.from(base.bytes).equals(drives.image({...recipe, seeds: []}).bytes));
	}
	// What was only changed in a checksum is made right again.
	t.true(changed >= 54, `${changed} of 60 recipes changed anything`);
});

test('what an act throws or writes does not stay in the image', t => {
	const [base] = loadBases();
	if (base === undefined) throw new RangeError('no base');
	const image = new PreparedImage(base);
	t.throws(() =>
		image.with([1, 2], () => {
			image.patch.set32(5000, 1);
			throw new Error('on purpose');
		}),
	);
	t.true(Buffer.from(base.bytes).equals(image.patch.bytes));
});

test('recipes are written and read', t => {
	const recipe = {drive: 'write', base: 'ext2-1k', seeds: [5, 4_294_967_295]} as const;
	t.deepEqual(parseRecipe(formatRecipe(recipe)), recipe);
	t.throws(() => parseRecipe('write:ext2-1k:x'), {instanceOf: RangeError});
	t.throws(() => parseRecipe('eat:ext2-1k:1'), {instanceOf: RangeError});
	t.true(readCorpus().length > 100);
});

test('counters go into every branch, and change nothing else', t => {
	const source = `const f = (x: number) => x > 1 ? {a: x} : {a: 0};
export function g(n: number): number {
	for (let i = 0; i < n; i++) if (i === 3) return i || 7; else continue;
	switch (n) { case 1: return f(1).a; default: return f(2).a && 5; }
}
class C { #x = 1; has(o: object) { return #x in o; } }
`;
	const text = instrument(source, 'a file');
	t.is(text.split('\n').length, source.split('\n').length);
	t.is(text.match(/__c\[\d+\]\+\+/g)?.length, 12);
	const run = (body: string) => {
		const plain = body.replace('export ', '').replace(/const __c=[^;]*;/, '');
		return new Function('__c', `${plain}; return [g(0), g(1), g(9), new C().has({})];`)([]);
	};
	t.deepEqual(run(text), [5, 0, 3, false]);
});

test('a crash and a process that dies are told, with what caused them', async t => {
	const {failures} = await runRecipes(['read:no-such-base:1']);
	t.deepEqual(
		failures.map(({kind, recipe}) => `${kind} ${recipe}`),
		['crash read:no-such-base:1', 'death read:no-such-base:1'],
	);
	t.regex(failures[0]?.detail ?? '', /there is no base image/);
});

test('of some hundred inputs of every drive none crashes, hangs or eats the memory', async t => {
	t.timeout(240_000);
	const counts = {
		read: 400,
		replay: 60,
		write: 100,
		check: 60,
		requests: 40,
		disks: 100,
		arguments: 10,
	};
	const seed = 7000;
	const summary = await runCampaign({seed, counts, corpus: [], jobs: 2, minutes: 4});
	t.deepEqual(summary.failures, []);
	for (const [drive, count] of Object.entries(counts)) {
		t.true((summary.drives[drive]?.inputs ?? 0) >= count, drive);
		t.true((summary.drives[drive]?.believed ?? 0) > count / 4, drive);
	}
	t.true(summary.finds.length > 50 && summary.codes.size >= 20, [...summary.codes].join(' '));
});
