/** `npm run iomap:conformance`: random sequences through the kernel in memory, for long. */
import {parseArgs} from 'node:util';
import {mke2fs} from '../../support/made-volume.ts';
import {imageKinds} from './kinds.ts';
import {runSequence} from './sequence.ts';

const usage = `Usage: npm run iomap:conformance -- [options]

Has random work on files done through a kernel with FUSE iomap that lives in memory; holds what it reads
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
	let done = 0;
	let failed = 0;
	for (const {name, options, size} of imageKinds) {
		const image = mke2fs(options, size);
		for (let seed = first; seed < first + count; seed++) {
			done++;
			try {
				runSequence(image, seed);
			} catch (error) {
				failed++;
				console.error(`${name}:`, error);
			}
		}
		process.stdout.write(`${name}: ${count} sequences\n`);
	}
	process.stdout.write(`${done - failed} passed, ${failed} failed\n`);
	process.exitCode = failed === 0 ? 0 : 1;
}
