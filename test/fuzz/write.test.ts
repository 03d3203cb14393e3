/** Mutated images that are written to: no operation may crash or hang, whatever they name. */
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {hasDebugfs} from '../support/e2fsprogs.ts';
import {testUnless} from '../support/skip.ts';
import {makeBases} from './bases.ts';
import {SeedRunner} from './run-seed.ts';
import {writeToImage} from './write.ts';

const whyNot = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const operationsPerImage = 80;
/** Of the processor: an image takes some 10 ms. */
const millisecondsMax = 10_000;

testUnless(whyNot, 'writing to mutated images ends in errors of theirs or of the caller', t => {
	t.timeout(240_000);
	const first = Number(process.env['EXT4BOX_SEED'] ?? 1);
	const count = Number(process.env['EXT4BOX_IMAGES'] ?? 400);
	t.log(`EXT4BOX_SEED=${first} EXT4BOX_IMAGES=${count}`);
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-fuzz-write-'));
	try {
		const runner = new SeedRunner(makeBases(folder, false));
		const codes = new Set<string>();
		let done = 0;
		for (let seed = first; seed < first + count; seed++) {
			const {bytes, base, story} = runner.image(seed);
			const started = process.cpuUsage();
			try {
				const result = writeToImage(bytes, seed, operationsPerImage);
				for (const code of result.codes) codes.add(code);
				done += result.done;
			} catch (error) {
				const what = error instanceof Error ? error.stack : String(error);
				t.fail(`seed ${seed}, ${base}, ${story.join('; ')}: ${what}`);
				return;
			}
			const {user, system} = process.cpuUsage(started);
			t.true((user + system) / 1000 < millisecondsMax, `seed ${seed} takes too long`);
		}
		// Most images let themselves be written to, and damage is met on the way.
		t.true(done > 10 * count, `${done} operations`);
		t.true(count < 400 || codes.size >= 10, [...codes].join(' '));
	} finally {
		rmSync(folder, {recursive: true});
	}
});
