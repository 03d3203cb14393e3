/**
 * npm run simulate -- --operations N --seed S [--features NAME] [--length L] [--no-kernel]
 * npm run simulate -- --replay FILE
 *
 * Each with [--iomap].
 *
 * Does random operations to file systems of many features and to a model, and compares; e2fsck and
 * the kernel judge, too. With `--iomap` all goes through a kernel with FUSE iomap that lives in memory,
 * and the server behind it, on the features whose data such a kernel moves. Exits 1 at the first failure, whose steps are written to a file for
 * `--replay`.
 */
import {readFileSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import {featureSetNamed, featureSets} from './features.ts';
import {iomapFeatureSets, makeIomapSubject} from './iomap-subject.ts';
import {type Failure, runSeed, runSequence} from './run.ts';

const {values} = parseArgs({
	options: {
		operations: {type: 'string', default: process.env['EXT4BOX_OPERATIONS'] ?? '100000'},
		seed: {type: 'string', default: process.env['EXT4BOX_SEED'] ?? '1'},
		features: {type: 'string'},
		length: {type: 'string', default: '400'},
		replay: {type: 'string'},
		iomap: {type: 'boolean', default: false},
		kernel: {type: 'boolean', default: process.getuid?.() === 0},
	},
	allowNegative: true,
});

function print(line: string): void {
	process.stdout.write(`${line}\n`);
}

const judges = {
	kernel: values.kernel,
	...(values.iomap ? {makeSubject: makeIomapSubject} : {}),
};

function replay(path: string): void {
	const failure: Failure = JSON.parse(readFileSync(path, 'utf8'));
	runSequence(featureSetNamed(failure.features), failure.steps, judges);
	print(`${failure.features}: ${failure.steps.length} steps, nothing wrong`);
}

function report(failure: Failure): void {
	const folder = process.env['EXT4BOX_KEEP'] ?? tmpdir();
	const path = join(folder, `ext4box-simulation-${failure.features}-${failure.seed}.json`);
	writeFileSync(path, JSON.stringify(failure));
	print(
		`\nfailed: --features ${failure.features} --seed ${failure.seed} --length ${values.length}`,
	);
	print(`in ${failure.steps.length} steps: npm run simulate -- --replay ${path}`);
	print(failure.message);
}

/** Returns whether all went well. */
function simulate(): boolean {
	const wanted = Number(values.operations);
	const length = Number(values.length);
	const all = values.iomap ? iomapFeatureSets : featureSets;
	const chosen = values.features === undefined ? all : [featureSetNamed(values.features)];
	let seed = Number(values.seed);
	let done = 0;
	const began = Date.now();
	for (let run = 0; done < wanted; run++, seed++) {
		const features = chosen[run % chosen.length];
		if (features === undefined) break;
		const {operations, failure} = runSeed(features, seed, length, judges);
		done += operations;
		if (failure !== undefined) {
			report(failure);
			return false;
		}
		if (run % 50 === 49) {
			const seconds = Math.round((Date.now() - began) / 1000);
			print(`${done} operations in ${run + 1} runs, ${seconds} s; the next seed is ${seed + 1}`);
		}
	}
	print(`${done} operations on ${chosen.length} sets of features: nothing wrong`);
	return true;
}

if (values.replay !== undefined) replay(values.replay);
else if (!simulate()) process.exitCode = 1;
