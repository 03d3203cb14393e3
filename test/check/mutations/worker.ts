/**
 * Judges seeds one after another and says so on standard output, a line before each and one after.
 *
 *   node worker.ts FOLDER FROM END STEP
 */
import {writeSync} from 'node:fs';
import {makeCleanBases} from './bases.ts';
import {judgeSeed} from './compare.ts';
import {CheckMutator} from './mutate.ts';

const [folder = '', from, end, step] = process.argv.slice(2);
const mutator = new CheckMutator(makeCleanBases(folder));
for (let seed = Number(from); seed < Number(end); seed += Number(step)) {
	writeSync(1, `begin ${seed}\n`);
	writeSync(1, `end ${JSON.stringify(judgeSeed(mutator, seed, folder))}\n`);
}
