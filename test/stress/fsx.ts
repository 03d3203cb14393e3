/** Several processes, each with random operations on a file of its own: see fsx.c. */
import {join, resolve} from 'node:path';
import {StressPlace, type SystemName} from './place.ts';
import {must, start} from './program.ts';

export type FsxOptions = {
	readonly system: SystemName;
	readonly mkfs: readonly string[];
	readonly seconds: number;
	readonly processes: number;
	readonly seed: number;
};

/** `posix`: on a file of a mounted file system; `socket`: on one behind its descriptor 3. */
export function compileFsx(program: string, kind: 'posix' | 'socket'): void {
	const sources = ['fsx.c', `fsx-${kind}.c`].map(name => resolve(import.meta.dirname, name));
	must('cc', '-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, ...sources);
}

/** Returns a line a process. Throws where one has found a mismatch, or e2fsck has something to say. */
export async function runFsx(options: FsxOptions): Promise<string[]> {
	using place = new StressPlace(options.system, options.mkfs, '256M');
	const program = join(place.folder, 'fsx');
	compileFsx(program, 'posix');
	place.mount();
	const runs = Array.from({length: options.processes}, async (_, index) => {
		const seed = options.seed + index;
		const file = join(place.root, `file-${index}`);
		const [, ended] = start(place.folder, program, file, String(seed), String(options.seconds));
		const {status, out, err} = await ended;
		if (status !== 0) throw new Error(`fsx, seed ${seed}: status ${status}\n${err}`);
		return `seed ${seed}: ${out.trim()}`;
	});
	const settled = await Promise.allSettled(runs);
	place.unmount();
	const failed = settled.find(run => run.status === 'rejected');
	if (failed !== undefined) throw failed.reason;
	place.assertClean();
	return settled.flatMap(run => (run.status === 'fulfilled' ? run.value : []));
}
