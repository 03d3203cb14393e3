/**
 * Random sequences through the kernel in memory. `EXT4BOX_SEED` and `EXT4BOX_SEQUENCES` choose which
 * and how many; `npm run iomap:conformance` does the same for long.
 */
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {imageKinds} from './kinds.ts';
import {runSequence} from './sequence.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const first = Number(process.env['EXT4BOX_SEED'] ?? 1);
const count = Number(process.env['EXT4BOX_SEQUENCES'] ?? 8);

for (const {name, options, size} of imageKinds) {
	testUnless(why, `random work on ${name}`, t => {
		const image = mke2fs(options, size);
		for (let seed = first; seed < first + count; seed++) runSequence(image, seed);
		t.pass();
	});
}
