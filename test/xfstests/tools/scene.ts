/**
 * The test's own file system on a disk that remembers, what the test has been promised about it, and
 * the trial of what a power cut could have left.
 *
 *     await using scene = await Scene.open(t);
 *     scene.mount();
 *     scene.expect('f', absent, file(bytes));      // may be either, from here on
 *     …write, fsync…
 *     scene.expect('f', file(bytes));              // fsync has returned
 *     await scene.trial();
 *
 * In every state each promise must hold that had been made by then: as our own library sees the
 * image, replaying its journal in memory; after e2fsck has recovered it, which may find nothing else
 * to mend; and, in some, after the system under test has mounted and unmounted it. From the seed
 * follows which states are tried; which there are follows from when a system writes.
 */
import {copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Volume} from '../../../ext4/index.ts';
import {run} from '../../stress/program.ts';
import {type Crash, type CrashDevice, crashesOf} from '../../support/crash-device.ts';
import {recoverByE2fsck} from '../../support/e2fsck-recovery.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {type Place, Random, type TestContext} from '../api.ts';
import {systemNamed} from '../runner/systems.ts';
import {type Look, MountedLook, type Seen, VolumeLook} from './look.ts';
import {Recorder} from './recorder.ts';

/** Returns what is wrong, or undefined. */
export type Check = (look: Look) => string | undefined;

/** A small file system with a journal of 1 MiB: little to copy, and the journal wraps soon. */
export const smallImage = {mkfs: ['-t', 'ext4', '-b', '1024', '-J', 'size=1'], size: '8M'} as const;

export type TrialOptions = {
	readonly seed?: number;
	/** Different states to try. */
	readonly states?: number;
	/** So many of them are mounted by the system under test as well. */
	readonly mounts?: number;
	/** Only states as they were when something had just been promised, without what was not flushed. */
	readonly isPromisedOnly?: boolean;
};

/** By name. */
type Promises = ReadonlyMap<string, Check>;

/** One state that a crash may have left, and what was promised by then. */
export type State = {
	readonly image: Uint8Array;
	readonly promises: Promises;
	readonly about: string;
};

let scenes = 0;

export class Scene implements AsyncDisposable {
	/** Where the file system is mounted. */
	readonly dir: string;
	readonly #t: TestContext;
	readonly #folder: string;
	readonly #recorder: Recorder<Promises>;
	readonly #promises: Map<string, Check>;
	#isMounted = false;

	private constructor(
		t: TestContext,
		folder: string,
		recorder: Recorder<Promises>,
		promises: Promises,
	) {
		this.#t = t;
		this.#folder = folder;
		this.#recorder = recorder;
		this.#promises = new Map(promises);
		this.dir = join(folder, 'mnt');
		mkdirSync(this.dir);
		if (promises.size > 0) this.#mark();
	}

	/**
	 * The test's image, or that of another place, as a disk that remembers. It is unmounted for that,
	 * and is what the disk was last when the scene is over.
	 */
	static async open(t: TestContext, place: Place = t.place): Promise<Scene> {
		if (place.isMounted) place.unmount();
		return await Scene.#start(t, place.image, new Map());
	}

	/** A disk as a crash has left it, with what was promised before. */
	static async after(t: TestContext, state: State): Promise<Scene> {
		const path = join(t.scratch, `crashed-${scenes}.img`);
		writeFileSync(path, state.image);
		return await Scene.#start(t, path, state.promises);
	}

	static async #start(t: TestContext, path: string, promises: Promises): Promise<Scene> {
		if (t.system === 'fuse2fs') {
			t.notRun('fuse2fs writes no journal, so that it promises nothing about a crash');
		}
		const folder = join(t.scratch, `scene-${++scenes}`);
		mkdirSync(folder);
		return new Scene(t, folder, await Recorder.open<Promises>(path, folder), promises);
	}

	mount(options = ''): void {
		this.#system.mount(this.#recorder.disk, this.dir, options);
		this.#isMounted = true;
	}

	unmount(): void {
		this.#system.unmount(this.#recorder.disk, this.dir);
		this.#isMounted = false;
	}

	get #system() {
		return systemNamed(this.#t.system);
	}

	/** The absolute path of a file while it is mounted. */
	at(path: string): string {
		return join(this.dir, path);
	}

	/** From now on a crash leaves one of these at `path`, in the place of what was expected before. */
	expect(path: string, ...allowed: Seen[]): void {
		this.hold(path, look => {
			const seen = look.see(path);
			return allowed.includes(seen) ? undefined : `is ${seen}, not ${allowed.join(' or ')}`;
		});
	}

	/** From now on this must hold after a crash, in the place of what had this name before. */
	hold(name: string, check: Check): void {
		this.#promises.set(name, check);
		this.#mark();
	}

	/** This need not hold any more. */
	release(name: string): void {
		this.#promises.delete(name);
		this.#mark();
	}

	/** Unmounts, and tries what crashes could have left. Throws at the first broken promise. */
	async trial(options: TrialOptions = {}): Promise<void> {
		const {mounts = 1} = options;
		let tried = 0;
		for (const state of await this.states(options)) {
			this.#try(state, tried < mounts);
			tried++;
		}
		if (tried === 0) throw new Error('there was no state to try');
	}

	/** Unmounts, and gives states that crashes could have left, in no order. */
	async states(options: TrialOptions = {}): Promise<State[]> {
		if (this.#isMounted) this.unmount();
		return chosenStates(await this.#recorder.close(), options);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (this.#isMounted) run('umount', '-l', this.dir);
		await this.#recorder[Symbol.asyncDispose]();
		rmSync(this.#folder, {recursive: true});
	}

	#mark(): void {
		this.#recorder.mark(new Map(this.#promises));
	}

	#try(state: State, isMountedToo: boolean): void {
		this.#t.full(`${state.about}, ${state.promises.size} promises`);
		assertKept('our replay in memory', state.image, state);
		const path = join(this.#folder, 'state');
		writeFileSync(path, state.image);
		try {
			const copy = `${path}.copy`;
			if (isMountedToo) copyFileSync(path, copy);
			recoverByE2fsck(path, this.#t.system === 'kernel');
			assertKept("e2fsck's recovery", readFileSync(path), state);
			if (isMountedToo) this.#tryMounted(copy, state);
		} catch (error) {
			throw new Error(`${state.about}`, {cause: error});
		} finally {
			rmSync(path, {force: true});
		}
	}

	#tryMounted(path: string, state: State): void {
		const directory = join(this.#folder, 'recovered');
		mkdirSync(directory, {recursive: true});
		this.#system.mount(path, directory, '');
		try {
			assertPromises('mounting it', new MountedLook(directory), state);
		} finally {
			this.#system.unmount(path, directory);
		}
		const {status, out, err} = run('e2fsck', '-fn', path);
		if (status !== 0) throw new Error(`e2fsck -fn after mounting it: ${status}\n${out}${err}`);
		assertKept('mounting it', readFileSync(path), state);
	}
}

function assertKept(how: string, image: Uint8Array, state: State): void {
	assertPromises(how, new VolumeLook(Volume.open(new MemoryDevice(image, true))), state);
}

function assertPromises(how: string, look: Look, {promises, about}: State): void {
	for (const [name, check] of promises) {
		const problem = check(look);
		if (problem !== undefined) throw new Error(`${about}: after ${how}: ${name}: ${problem}`);
	}
}

/** The kernel, too, relies on disks there: see `CrashOptions.untorn`. */
const untorn = {from: 1024, to: 2048};

/** Half of them lose all that was not flushed, just when something had been promised. */
function chosenStates(device: CrashDevice<Promises>, trial: TrialOptions): State[] {
	const {seed = 1, states: count = 12, isPromisedOnly = false} = trial;
	const options = {seed, lossesPerEpoch: 2, tornPerEpoch: 1, losesAllAtMarks: true, untorn};
	const bare: number[] = [];
	const others: number[] = [];
	let index = 0;
	for (const crash of crashesOf(device, options)) {
		if (crash.mark !== undefined) (isBare(device, crash) ? bare : others).push(index);
		index++;
	}
	const random = new Random(seed);
	const bareCount = isPromisedOnly ? count : Math.ceil(count / 2);
	const chosen = new Set(some(bare, bareCount, random));
	if (!isPromisedOnly) for (const one of some(others, count - chosen.size, random)) chosen.add(one);
	const states: State[] = [];
	index = 0;
	for (const crash of crashesOf(device, options)) {
		if (crash.mark !== undefined && chosen.has(index)) {
			states.push({image: crash.image(), promises: crash.mark, about: String(crash)});
		}
		index++;
	}
	return states;
}

function isBare(device: CrashDevice<Promises>, crash: Crash<Promises>): boolean {
	return crash.kind === 'loss' && device.events[crash.at - 1]?.kind === 'mark';
}

/** Without order and twice the same; all where there are no more. */
function some(from: readonly number[], count: number, random: Random): number[] {
	const left = [...from];
	const picked: number[] = [];
	while (picked.length < count && left.length > 0) {
		picked.push(...left.splice(random.below(left.length), 1));
	}
	return picked;
}
