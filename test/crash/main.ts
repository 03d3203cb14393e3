/**
 * npm run crash -- [--points N] [--seed S] [--workload NAME] [--format NAME] [--losses N] [--torn N]
 *                  [--iomap]
 *
 * The crash matrix: workloads on a device that records; every state that a crash could leave is
 * recovered by us, by e2fsck and, one in ten, by the kernel (as root), and must be one that the
 * workload had reached since its last fsync. `--points` bounds how many are judged in all, chosen
 * by the seed. With `--iomap` the work goes through a kernel with FUSE iomap that lives in memory, and
 * the server behind it; on the formats whose data such a kernel moves. A run ends at the first that fails, which is kept in a file that the message names,
 * with the steps that led to it in another; then the exit status is 1.
 */
import {parseArgs} from 'node:util';
import {iomapFormats, makeIomapClient} from './iomap-client.ts';
import {runMatrix} from './matrix.ts';
import {formats, workloads} from './workloads.ts';

const {values} = parseArgs({
	options: {
		points: {type: 'string'},
		seed: {type: 'string', default: '1'},
		workload: {type: 'string', default: ''},
		format: {type: 'string', default: ''},
		losses: {type: 'string', default: '3'},
		torn: {type: 'string', default: '2'},
		iomap: {type: 'boolean', default: false},
		kernel: {type: 'boolean', default: process.getuid?.() === 0},
	},
	allowNegative: true,
});

const pairs = (values.iomap ? iomapFormats : Object.keys(formats))
	.filter(format => values.format === '' || values.format === format)
	.flatMap(format =>
		Object.keys(workloads)
			.filter(workload => values.workload === '' || values.workload === workload)
			.map(workload => ({format, workload})),
	);
let judged = 0;
let failed = 0;
for (const {format, workload} of pairs) {
	const start = performance.now();
	try {
		const result = runMatrix({
			format,
			workload,
			seed: Number(values.seed),
			lossesPerEpoch: Number(values.losses),
			tornPerEpoch: Number(values.torn),
			pointsMax:
				values.points === undefined ? undefined : Math.ceil(Number(values.points) / pairs.length),
			hasKernel: values.kernel,
			...(values.iomap ? {makeClient: makeIomapClient} : {}),
		});
		judged += result.judged;
		const seconds = ((performance.now() - start) / 1000).toFixed(1);
		process.stdout.write(
			`${format} ${workload}: ${result.judged} states of ${result.points} crash points, ${result.operations} operations, ${seconds} s\n`,
		);
	} catch (error) {
		failed++;
		process.stdout.write(`${format} ${workload}: FAILED\n`);
		console.error(error);
	}
}
process.stdout.write(`crash: ${judged} states judged, ${failed} of ${pairs.length} runs failed\n`);
if (failed > 0 || judged === 0) process.exitCode = 1;
