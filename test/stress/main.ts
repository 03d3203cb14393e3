/**
 * npm run stress -- fsx  [--seconds 600] [--processes 4] [--seed 1] [--system ext4box|kernel|fuse2fs]
 * npm run stress -- kill [--count 200] [--seed 1]
 *
 * Both take [--mkfs="ARGUMENTS OF MKE2FS"]. Exits 1 at the first thing that is wrong, with the seed
 * that makes it so.
 */
import {parseArgs} from 'node:util';
import {runFsx} from './fsx.ts';
import {runKills} from './kill.ts';
import {systemNamed} from './place.ts';

const {values, positionals} = parseArgs({
	allowPositionals: true,
	options: {
		seconds: {type: 'string', default: '600'},
		processes: {type: 'string', default: '4'},
		seed: {type: 'string', default: '1'},
		count: {type: 'string', default: '200'},
		system: {type: 'string', default: 'ext4box'},
		mkfs: {type: 'string', default: '-t ext4'},
	},
});

function print(line: string): void {
	process.stdout.write(`${line}\n`);
}

const mkfs = values.mkfs.split(' ').filter(word => word !== '');
const seed = Number(values.seed);
switch (positionals[0]) {
	case 'fsx': {
		const lines = await runFsx({
			system: systemNamed(values.system),
			mkfs,
			seconds: Number(values.seconds),
			processes: Number(values.processes),
			seed,
		});
		for (const line of lines) print(`fsx, ${line}`);
		break;
	}
	case 'kill':
		await runKills({mkfs, count: Number(values.count), seed}, print);
		break;
	default:
		process.stderr.write('stress: fsx or kill? See the head of test/stress/main.ts\n');
		process.exitCode = 2;
}
