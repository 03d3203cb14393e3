/** One sequence of operations on a new file system, and all that judges what it has become. */
import {execFileSync, spawnSync} from 'node:child_process';
import {closeSync, ftruncateSync, mkdtempSync, openSync, writeSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import fc from 'fast-check';
import {openFresh, Subject} from '../support/subject.ts';
import {Choices} from './choices.ts';
import {compareVolume} from './compare.ts';
import type {FeatureSet} from './features.ts';
import {compareMounted, whyNotMountable} from './kernel.ts';
import {Mismatch} from './mismatch.ts';
import {weightedOperations} from './operations.ts';
import {type SubjectMaker, World} from './world.ts';

/** Which operation, and the numbers from which it chooses. */
export type Step = readonly [operation: number, ...numbers: number[]];

const anyNumber = fc.nat(2 ** 31 - 1);

/** Sequences of up to `length` steps. */
export function sequencesOf(length: number): fc.Arbitrary<Step[]> {
	const step = fc.tuple(anyNumber, anyNumber, anyNumber, anyNumber, anyNumber);
	return fc.array(fc.noBias(step), {minLength: 1, maxLength: length, size: 'max'});
}

export type Judges = {
	readonly kernel: boolean;
	/** What is judged; the library itself where undefined. */
	readonly makeSubject?: SubjectMaker;
};

const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};

/** Does the steps, then compares. Throws where anything is wrong, with what was done. */
export function runSequence(features: FeatureSet, steps: readonly Step[], judges: Judges): void {
	const world = new World(features, judges.makeSubject ?? (image => new Subject(image)));
	try {
		for (const [operation, ...numbers] of steps) {
			const chosen = weightedOperations[operation % weightedOperations.length];
			world.tick();
			chosen?.run(world, new Choices(numbers));
		}
		judge(world, judges);
	} catch (error) {
		const story = world.story.slice(-60).join('\n  ');
		const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
		throw new Error(`${features.name}: ${what}\nafter\n  ${story}`, {cause: error});
	}
}

/** Leaves holes for zeros: most of the image was never written to. */
function writeSparse(path: string, bytes: Uint8Array): void {
	const zeros = Buffer.alloc(65_536);
	const file = openSync(path, 'w');
	try {
		for (let at = 0; at < bytes.length; at += zeros.length) {
			const piece = bytes.subarray(at, at + zeros.length);
			if (zeros.compare(piece) !== 0) writeSync(file, piece, 0, piece.length, at);
		}
		ftruncateSync(file, bytes.length);
	} finally {
		closeSync(file);
	}
}

function judge(world: World, judges: Judges): void {
	const {subject, model, features} = world;
	world.tell('compare what is open');
	for (const node of model.held) subject.reap(node.number);
	subject.settle();
	compareVolume(subject.volume, model);
	world.tell('close, compare what lies there');
	subject.close();
	const {bytes} = subject.device;
	compareVolume(openFresh(bytes), model);
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-simulation-'));
	try {
		const path = join(folder, 'image');
		writeSparse(path, bytes);
		world.tell('e2fsck');
		const {status, stdout, stderr} = spawnSync('e2fsck', ['-fn', path], {env, encoding: 'utf8'});
		if (status !== 0) throw new Mismatch(`e2fsck -fn: ${status}\n${stdout}${stderr}`);
		if (!judges.kernel || whyNotMountable(features) !== undefined) return;
		world.tell("the kernel's mount");
		compareMounted(path, join(folder, 'mount'), model);
	} finally {
		execFileSync('rm', ['-rf', '--one-file-system', folder]);
	}
}

export type Failure = {
	readonly features: string;
	readonly seed: number;
	/** As few steps as were found to fail. */
	readonly steps: readonly Step[];
	readonly message: string;
};

/** Runs the sequence that `seed` stands for; one that fails is made shorter for some time. */
export function runSeed(
	features: FeatureSet,
	seed: number,
	length: number,
	judges: Judges,
	shrinkMilliseconds = 20_000,
): {readonly operations: number; readonly failure: Failure | undefined} {
	let operations = 0;
	let hasFailed = false;
	const property = fc.property(sequencesOf(length), steps => {
		if (!hasFailed) operations = steps.length;
		try {
			runSequence(features, steps, judges);
		} catch (error) {
			hasFailed = true;
			throw error;
		}
	});
	// The one run always takes place; only making it shorter is interrupted.
	const limits = {interruptAfterTimeLimit: shrinkMilliseconds};
	const result = fc.check(property, {seed, numRuns: 1, ...limits});
	if (!result.failed) return {operations, failure: undefined};
	const [steps] = result.counterexample ?? [[]];
	const message = result.errorInstance instanceof Error ? result.errorInstance.message : '';
	return {operations, failure: {features: features.name, seed, steps: steps ?? [], message}};
}
