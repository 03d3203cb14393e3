/** A slice of `npm run simulate -- --iomap`: names, attributes and data against the model. */
import {iomapFeatureSets, makeIomapSubject} from '../../simulation/iomap-subject.ts';
import {runSeed} from '../../simulation/run.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const first = Number(process.env['EXT4BOX_SEED'] ?? 1);
const length = 250;

for (const [index, features] of iomapFeatureSets.entries()) {
	testUnless(why, `as the model has it, the kernel moving the data: ${features.name}`, t => {
		const judges = {kernel: process.getuid?.() === 0, makeSubject: makeIomapSubject};
		const seed = first + index;
		const {operations, failure} = runSeed(features, seed, length, judges);
		t.log(`${operations} operations`);
		const again = `--iomap --features ${features.name} --seed ${seed} --length ${length}`;
		t.is(failure, undefined, `npm run simulate -- ${again} --operations 1\n${failure?.message}`);
	});
}
