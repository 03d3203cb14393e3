/** `npm run iomap:conformance`: random sequences through the kernel in memory, for long. */
import {parseArgs} from 'node:util';
import {mke2fs} from '../../support/made-volume.ts';
import {goldenTraces} from './golden.ts';
import {imageKinds} from './kinds.ts';
import {replayAsSeen, replayOnServer, runCases} from './replay.ts';
import {runSequence} from './sequence.ts';

const usage = `Usage: npm run iomap:conformance -- [options]

Holds a kernel with FUSE iomap that lives in memory against the traces of a running one, and the server
against them and against every rule. Then has random work on files done through it; holds what it reads
against arrays of bytes, reads it back through a second mount, and has e2fsck judge.

  --count N   sequences of each kind of image (default 1000)
  --seed N    the first seed (default 1)
`;

function number(text: string, name: string): number {
	const value = Number(text);
	if (Number.isSafeInteger(value) && value >= 0) return value;
	process.stderr.write(`iomap:conformance: --${name} wants a number, not "${text}"\n`);
	process.exit(2);
}

function complain(what: string, error: unknown): void {
	console.error(`${what}:`, error);
}

/** Returns whether all went well: nothing else counts where the kernel itself is wrong. */
function replayTraces(): boolean {
	const image = mke2fs(['-t', 'ext4', '-b', '4096'], '12M');
	let failed = 0;
	for (const golden of goldenTraces) {
		try {
			replayAsSeen(golden);
			replayOnServer(image, golden);
		} catch (error) {
			failed++;
			complain(golden.operation, error);
		}
	}
	process.stdout.write(`${goldenTraces.length} traces, ${failed} failed\n`);
	return failed === 0;
}

function runRules(): boolean {
	const {count, failures} = runCases();
	for (const [name, error] of failures) complain(name, error);
	process.stdout.write(`${count} cases of rules, ${failures.size} failed\n`);
	return failures.size === 0;
}

function runRandom(first: number, count: number): boolean {
	let failed = 0;
	for (const {name, options, size} of imageKinds) {
		const image = mke2fs(options, size);
		for (let seed = first; seed < first + count; seed++) {
			try {
				runSequence(image, seed);
			} catch (error) {
				failed++;
				complain(name, error);
			}
		}
		process.stdout.write(`${name}: ${count} sequences\n`);
	}
	const all = count * imageKinds.length;
	process.stdout.write(`${all - failed} passed, ${failed} failed\n`);
	return failed === 0;
}

const {values} = parseArgs({
	options: {
		count: {type: 'string', default: '1000'},
		seed: {type: 'string', default: '1'},
		help: {type: 'boolean', default: false},
	},
});
if (values.help) {
	process.stdout.write(usage);
} else {
	const first = number(values.seed, 'seed');
	const count = number(values.count, 'count');
	if (!replayTraces()) process.exit(1);
	const isRight = runRules();
	if (!runRandom(first, count) || !isRight) process.exitCode = 1;
}
