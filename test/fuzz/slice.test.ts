/** A slice of `npm run fuzz`: enough to see that it works and that nothing obvious broke. */
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {hasDebugfs} from '../support/e2fsprogs.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {testUnless} from '../support/skip.ts';
import {type Base, makeBases} from './bases.ts';
import {runCampaign} from './campaign.ts';
import {SeedRunner} from './run-seed.ts';
import {walkImage} from './walk.ts';

const whyNot = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const folder = mkdtempSync(join(tmpdir(), 'ext4box-fuzz-'));
const bases: Base[] = [];

test.before(() => {
	if (whyNot === undefined) bases.push(...makeBases(folder, false));
});
test.after.always(() => rmSync(folder, {recursive: true, force: true}));

testUnless(whyNot, 'every base image is read whole without an error before it is mutated', t => {
	for (const base of bases) {
		const result = walkImage(new MemoryDevice(new Uint8Array(readFileSync(base.path))));
		t.deepEqual([...result.errors], [], base.name);
		t.is(result.namesLost, 0, base.name);
		t.true(result.inodesRead > 15 && result.bytesRead > 100_000, base.name);
	}
	t.true(bases.length >= 10);
});

testUnless(whyNot, 'a seed gives the same image each time, and leaves its base as it was', t => {
	const first = new SeedRunner(bases);
	const second = new SeedRunner(bases);
	let changed = 0;
	for (let seed = 1; seed <= 40; seed++) {
		const image = first.image(seed);
		second.image(seed + 1000);
		t.deepEqual(image.story, second.image(seed).story);
		t.true(Buffer.from(image.bytes).equals(second.image(seed).bytes));
		const base = bases.find(({name}) => name === image.base);
		if (!readFileSync(base?.path ?? '').equals(image.bytes)) changed++;
	}
	// What was only changed in a checksum is made right again.
	t.true(changed >= 36, `${changed} of 40 seeds changed anything`);
});

testUnless(whyNot, 'of 300 mutated images none crashes, hangs or eats the memory', async t => {
	t.timeout(120_000);
	const summary = await runCampaign({
		folder,
		withKernel: false,
		seed: 7000,
		count: 300,
		jobs: 2,
		coverage: undefined,
	});
	t.deepEqual(summary.failures, []);
	t.is(summary.images, 300);
	t.true(summary.passedSuperblock >= 0.6 * 300, `${summary.passedSuperblock} superblocks believed`);
	t.true(summary.codes.size >= 12, `only ${[...summary.codes.keys()].join(', ')}`);
});
