/** A test of several mixers at once: each of its tests says how many, and on what. */
import {mkdirSync} from 'node:fs';
import type {TestContext, WorkerContext} from '../api.ts';
import {differences, foundBelow, Mixer} from './mixer.ts';

/** The worker of such a test: prints what it has left. */
export function mix(t: WorkerContext, seed = '', operations = ''): void {
	const mixer = new Mixer(t.path(`tree-${seed}`), t.path('shared'), Number(seed));
	mixer.run(Number(operations));
	t.print(JSON.stringify(mixer.expected));
}

/** Runs so many of the test's workers named `mix`; then the trees must be as they remember, twice. */
export async function runMix(t: TestContext, processes: number, operations: number): Promise<void> {
	mkdirSync(t.path('shared'));
	const seeds = Array.from({length: processes}, (_, index) => 1000 * processes + index);
	const said = await Promise.all(seeds.map(seed => t.worker('mix', seed, operations)));
	const verify = (when: string) => {
		for (const [index, seed] of seeds.entries()) {
			const expected: string[] = JSON.parse(said[index] ?? '');
			const problems = differences(expected, foundBelow(t.path(`tree-${seed}`)));
			t.verdict(`tree of process ${index + 1}, ${when}`, problems);
		}
	};
	verify('at once');
	t.remount();
	verify('after mounting again');
}
