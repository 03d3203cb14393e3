/**
 * Has every system do a workload in turns (A B C A B C …), so that what disturbs the machine for a
 * while disturbs all of them.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {CommandError, timeCommand} from './command.ts';
import {makeEmptyImage} from './image.ts';
import type {RequestCounter, RequestCounts} from './requests.ts';
import {type Usage, usageOf} from './server.ts';
import {Mount, type System, type SystemName} from './systems.ts';
import {Place, type Workload} from './workload.ts';

export type Sample = {
	readonly seconds: number;
	/** What its server has used during the work; undefined where none serves, or none was found. */
	readonly server: Usage | undefined;
};

export type Outcome = {
	readonly system: SystemName;
	readonly samples: readonly Sample[];
	/** Of one more run that was not timed; undefined where none serves, or none can be counted. */
	readonly requests: RequestCounts | undefined;
	/** Why the system could not do it: then there are fewer samples than runs. */
	readonly failure: string | undefined;
};

export type Line = {
	readonly workload: Workload;
	readonly outcomes: readonly Outcome[];
};

export type MeasureOptions = {
	readonly systems: readonly System[];
	readonly image: string;
	/** Where mountpoints are made. */
	readonly runDirectory: string;
	/** Samples of each system. */
	readonly runs: number;
	readonly counter: RequestCounter | undefined;
};

/** Throws `StoppedError`; a system that fails is a result. */
export async function measure(workload: Workload, options: MeasureOptions): Promise<Line> {
	using stack = new DisposableStack();
	const scratch = path.join(options.runDirectory, 'scratch.img');
	stack.defer(() => fs.rmSync(scratch, {force: true}));
	const runners = options.systems.map(system => {
		const isWritable = workload.writes ?? false;
		const image = isWritable ? scratch : options.image;
		const mount = new Mount(system, image, options.runDirectory, isWritable);
		return new Runner(workload, stack.use(mount), isWritable ? scratch : undefined);
	});
	for (const runner of runners) await runner.begin();
	for (let round = 0; round < options.runs; round++) {
		for (const runner of runners) await runner.sample();
	}
	for (const runner of runners) await runner.count(options.counter);
	return {workload, outcomes: runners.map(runner => runner.outcome)};
}

/** Room for all that any work writes; sparse. */
const scratchBytes = 4 * 1024 ** 3;

/** One system at one workload. */
class Runner {
	readonly #workload: Workload;
	readonly #mount: Mount;
	readonly #samples: Sample[] = [];
	#requests: RequestCounts | undefined;
	#failure: string | undefined;

	/** The image that is made anew for each sample; undefined where all read the same one. */
	readonly #scratch: string | undefined;

	constructor(workload: Workload, mount: Mount, scratch: string | undefined) {
		this.#workload = workload;
		this.#scratch = scratch;
		this.#mount = mount;
	}

	get outcome(): Outcome {
		return {
			system: this.#mount.system.name,
			samples: this.#samples,
			requests: this.#requests,
			failure: this.#failure,
		};
	}

	/** Warm work is done once unmeasured, by every system, before anybody's first sample. */
	async begin(): Promise<void> {
		if (this.#workload.cold) return;
		await this.#try(async () => {
			await this.#mount.mount();
			await this.#workload.prepare?.(this.#place());
			await this.#workload.run(this.#place());
		});
	}

	async sample(): Promise<void> {
		await this.#try(() =>
			this.#onReadyMount(async () => {
				this.#samples.push(await this.#work());
			}),
		);
	}

	async count(counter: RequestCounter | undefined): Promise<void> {
		if (counter === undefined || !this.#mount.system.isServed) return;
		await this.#try(() =>
			this.#onReadyMount(async () => {
				const {connection, mountCount} = this.#mount;
				if (connection === undefined) throw new CommandError('the mount has gone');
				const counts = await counter.count(connection, () => this.#workload.run(this.#place()));
				// After another mount the connection's number may be somebody else's.
				if (this.#mount.mountCount === mountCount) this.#requests = counts;
			}),
		);
	}

	async #onReadyMount(action: () => Promise<void>): Promise<void> {
		if (!this.#workload.cold) {
			await this.#workload.prepare?.(this.#place());
			return action();
		}
		if (this.#scratch !== undefined) await makeEmptyImage(this.#scratch, scratchBytes);
		await this.#mount.mount();
		try {
			await this.#workload.prepare?.(this.#place());
			await dropCaches();
			await action();
		} finally {
			this.#mount.unmount();
		}
	}

	async #work(): Promise<Sample> {
		const serversBefore = this.#mount.servers();
		const before = usageOf(serversBefore);
		const seconds = await this.#workload.run(this.#place());
		const servers = this.#mount.servers();
		const after = usageOf(servers);
		if (after === undefined) return {seconds, server: undefined};
		// A server that was started by the work has done all it did for the work.
		const isSame = servers.every(server => serversBefore.includes(server));
		const spent = isSame ? (before?.cpuSeconds ?? 0) : 0;
		return {seconds, server: {...after, cpuSeconds: after.cpuSeconds - spent}};
	}

	/** A system that has failed once does no more of this work. */
	async #try(action: () => Promise<void>): Promise<void> {
		if (this.#failure !== undefined) return;
		try {
			await action();
		} catch (error) {
			if (!(error instanceof CommandError)) throw error;
			this.#failure = error.message;
		}
	}

	#place(): Place {
		return new Place(this.#mount.directory, () => {
			this.#mount.unmount();
			return this.#mount.mount();
		});
	}
}

/** Pages, directory entries and inodes of every file system, the one that holds the image too. */
async function dropCaches(): Promise<void> {
	await timeCommand({program: 'sync', args: []});
	fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
}
