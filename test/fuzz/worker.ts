/**
 * A process that runs seeds one after another and says so on standard output, a line before each
 * and a line after: whoever started it sees which seed it hangs on.
 *
 *   node worker.ts FOLDER KERNEL FROM END STEP
 */
import {writeSync} from 'node:fs';
import {makeBases} from './bases.ts';
import {SeedRunner} from './run-seed.ts';

const [folder = '', kernel, from, end, step] = process.argv.slice(2);
const runner = new SeedRunner(makeBases(folder, kernel === 'true'));
for (let seed = Number(from); seed < Number(end); seed += Number(step)) {
	writeSync(1, `begin ${seed}\n`);
	const {result, ...run} = runner.run(seed);
	const {errors, ...counts} = result ?? {errors: new Map<string, number>()};
	const rss = process.memoryUsage.rss();
	const line = {...run, ...counts, errors: [...errors], hasResult: result !== undefined, rss};
	// Only a failure needs its story; it is found again from the seed.
	if (run.crash === undefined) line.story = [];
	writeSync(1, `end ${JSON.stringify(line)}\n`);
}
