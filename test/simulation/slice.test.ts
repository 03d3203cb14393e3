/** A slice of `npm run simulate`: every set of features, for half a minute. */
import test from 'ava';
import {hasDebugfs} from '../support/e2fsprogs.ts';
import {testUnless} from '../support/skip.ts';
import {featureSets} from './features.ts';
import {operations} from './operations.ts';
import {runSeed} from './run.ts';
import {SparseBytes} from './sparse-bytes.ts';

const whyNot = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const sliceMilliseconds = 30_000;

test('there are enough kinds of operations, and sets of features', t => {
	t.true(new Set(operations.map(({name}) => name)).size >= 40);
	t.true(featureSets.length >= 15);
});

test("the model's bytes move as an array's do", t => {
	const bytes = new SparseBytes();
	bytes.write(10, Buffer.from('abcdefgh'));
	bytes.collapse(12, 14);
	t.is(Buffer.from(bytes.read(10, 99)).toString(), 'abefgh');
	bytes.insert(12, 5000);
	t.is(bytes.size, 5016);
	t.is(Buffer.from(bytes.read(5012, 99)).toString(), 'efgh');
	t.deepEqual([...bytes.read(11, 2)], [0x62, 0]);
	bytes.resize(5013);
	bytes.resize(5015);
	t.deepEqual([...bytes.read(5012, 9)], [0x65, 0, 0]);
	bytes.clear(0, 11);
	t.deepEqual([...bytes.read(9, 3)], [0, 0, 0x62]);
});

testUnless(whyNot, 'after random operations the volume is what the model is', t => {
	t.timeout(240_000);
	const wanted = Number(process.env['EXT4BOX_OPERATIONS'] ?? 20_000);
	const first = Number(process.env['EXT4BOX_SEED'] ?? Date.now() % 2 ** 30);
	const length = 2 * Math.ceil(wanted / featureSets.length / 3);
	const until = Date.now() + sliceMilliseconds;
	t.log(`EXT4BOX_SEED=${first} EXT4BOX_OPERATIONS=${wanted}`);
	const judges = {kernel: process.getuid?.() === 0};
	let done = 0;
	for (let run = 0; done < wanted; run++) {
		const features = featureSets[run % featureSets.length];
		// Every set of features gets its turn, however slow the machine is.
		if (features === undefined || (run >= featureSets.length && Date.now() > until)) break;
		const seed = first + run;
		const {operations: count, failure} = runSeed(features, seed, length, judges);
		done += count;
		if (failure !== undefined) {
			const again = `--features ${features.name} --seed ${seed} --length ${length} --operations 1`;
			t.fail(`npm run simulate -- ${again}\n${failure.message}`);
			return;
		}
	}
	t.log(`${done} operations`);
	t.pass();
});
