/** test/stress/fsx.c, for so many operations and not for so long. */
import type {TestContext} from '../api.ts';
import {tool} from './programs.ts';

export type FsxOptions = {
	readonly seeds: readonly number[];
	readonly operations: number;
	/** What ranges that are taken out or put in are multiples of: a cluster, or a block. */
	readonly unitBytes?: number;
};

/** A file a seed, all at once; a process that finds a byte it did not write fails the test. */
export async function runFsx(
	t: TestContext,
	{seeds, operations, unitBytes = 4096}: FsxOptions,
): Promise<void> {
	const program = tool('fsx');
	const runs = seeds.map(async seed => {
		const args = [
			t.path(`file-${seed}`),
			String(seed),
			'100',
			String(operations),
			String(unitBytes),
		];
		const {status, out, err} = await t.start(program, args).ended;
		t.full(`fsx, seed ${seed}: ${out}${err}`);
		return status === 0 ? [] : [`seed ${seed}: ${err.split('\n')[0]}`];
	});
	t.verdict('all bytes', (await Promise.all(runs)).flat());
}
