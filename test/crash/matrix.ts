/** One workload on one format, and the judgement of every crash that could have met it. */

import {Random} from '../fuzz/random.ts';
import {CrashDevice, crashesOf} from '../support/crash-device.ts';
import {mke2fs} from '../support/made-volume.ts';
import {Client, type Hooks, type WorkClient} from './client.ts';
import {History, type Window} from './history.ts';
import {Judge} from './judge.ts';
import {keep} from './kept.ts';
import {formats, kernelFormats, workloads} from './workloads.ts';

/** Opens a new file system; the crashes are those of the device. */
export type ClientMaker = (device: CrashDevice<Window>, hooks: Hooks) => WorkClient;

export type MatrixOptions = {
	readonly format: string;
	/** By name. */
	readonly workload: string;
	readonly seed: number;
	/** Of each stretch between flushes: crashes that lose and tear writes. */
	readonly lossesPerEpoch: number;
	readonly tornPerEpoch: number;
	/** Of the crashes, so many are judged, chosen by the seed; all where undefined. */
	readonly pointsMax: number | undefined;
	readonly hasKernel: boolean;
	/** The library itself where undefined. */
	readonly makeClient?: ClientMaker;
};

export type MatrixResult = {
	/** Different states judged. */
	readonly judged: number;
	/** Crash points, states met before counted in. */
	readonly points: number;
	readonly operations: number;
};

const makeLibrary: ClientMaker = (device, hooks) => new Client(device, hooks);

/** Runs the workload on a device that records, noting what a user sees after every operation. */
function record({format, workload, seed, makeClient = makeLibrary}: MatrixOptions) {
	const {mkfs, size} = formats[format] ?? {mkfs: [], size: '8M'};
	const device = new CrashDevice<Window>(mke2fs(mkfs, size));
	const history = new History();
	let least = 0;
	const client = makeClient(device, {
		before: () => device.mark({least, most: history.observations.length}),
		after(what) {
			history.note(client.volume, what);
			const now = history.observations.length - 1;
			if (what === 'sync') least = now;
			device.mark({least, most: now});
		},
	});
	history.note(client.volume, 'open');
	workloads[workload]?.(client, new Random(seed), client.volume.features.has('extent'));
	return {device, history};
}

/** Throws at the first crash whose state is not as it should be, and says which it was. */
export function runMatrix(options: MatrixOptions): MatrixResult {
	const {device, history} = record(options);
	const {seed, lossesPerEpoch, tornPerEpoch, pointsMax, hasKernel} = options;
	const crashOptions = {seed, lossesPerEpoch, tornPerEpoch};
	let points = 0;
	for (const crash of crashesOf(device, crashOptions)) if (crash.mark !== undefined) points++;
	const chance = pointsMax === undefined ? 1 : Math.min(1, pointsMax / points);
	const random = new Random(seed + 1);
	const seen = new Set<string>();
	using judge = new Judge(history);
	const useKernel = hasKernel && kernelFormats.has(options.format);
	for (const crash of crashesOf(device, crashOptions)) {
		if (crash.mark === undefined || seen.has(crash.key) || !random.chance(chance)) continue;
		seen.add(crash.key);
		const withKernel = useKernel && seen.size % 10 === 1;
		const error = judge.problemOf(crash.image(), crash.mark, withKernel);
		if (error === undefined) continue;
		const errorAgain = judge.problemOf(crash.image(), crash.mark, useKernel);
		const {format, workload} = options;
		const about = {crash, window: crash.mark, judged: seen.size, error, errorAgain};
		const path = keep({format, workload, seed, ...about}, history);
		throw new Error(`${format} ${workload}, seed ${seed}: ${crash}; kept as ${path}`, {
			cause: error,
		});
	}
	return {judged: seen.size, points, operations: history.observations.length};
}
