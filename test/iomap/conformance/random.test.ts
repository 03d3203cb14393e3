/**
 * Random sequences through the kernel in memory, held against arrays of bytes, read back through a
 * new mount, and judged by e2fsck. `EXT4BOX_SEED` and `EXT4BOX_SEQUENCES` choose which and how many.
 */
import type {ExecutionContext} from 'ava';
import {assertContents, RandomWork} from '../../support/iomap-kernel/random.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {imageKinds, stepsMax} from './kinds.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const first = Number(process.env['EXT4BOX_SEED'] ?? 1);
const count = Number(process.env['EXT4BOX_SEQUENCES'] ?? 8);
function run(t: ExecutionContext, image: Uint8Array, seed: number): void {
	const work = new RandomWork(image.slice(), seed);
	try {
		for (let step = 0; step < stepsMax; step++) work.step();
		const problem = work.mount.end();
		if (problem !== undefined) throw new Error(problem);
		if (work.mount.problems.length > 0) throw new Error(work.mount.problems.join('\n'));
		assertContents(work.mount.device.bytes, work);
	} catch (error) {
		t.log(`EXT4BOX_SEED=${seed} EXT4BOX_SEQUENCES=1`);
		t.log(work.log.slice(-40).join('\n'));
		t.log(work.mount.kernel.trace.slice(-20).join('\n'));
		throw error;
	}
}

for (const {name, options, size} of imageKinds) {
	testUnless(why, `random work on ${name}`, t => {
		const image = mke2fs(options, size);
		for (let seed = first; seed < first + count; seed++) run(t, image, seed);
		t.pass();
	});
}
