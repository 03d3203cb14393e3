/** A control group whose processes get so much memory and no more; for tests, as root. */
import * as fs from 'node:fs';
import path from 'node:path';
import {parseMountinfo} from '../../src/mount/mounts.ts';

type Hierarchy = {
	/** Where groups are made. */
	readonly folder: string;
	readonly limit: string;
	/** With a line `oom_kill COUNT`. */
	readonly events: string;
	/** What keeps memory from going to a disk in place of the limit; not every kernel has it. */
	readonly swap: readonly [file: string, value: string];
};

const second = {
	limit: 'memory.max',
	events: 'memory.events',
	swap: ['memory.swap.max', '0'],
} as const;
const first = {
	limit: 'memory.limit_in_bytes',
	events: 'memory.oom_control',
	swap: ['memory.swappiness', '0'],
} as const;

function hasMemory(folder: string): boolean {
	const enabled = path.join(folder, 'cgroup.subtree_control');
	return fs.existsSync(enabled) && fs.readFileSync(enabled, 'utf8').split(/\s/).includes('memory');
}

function findHierarchy(): Hierarchy | undefined {
	const mounts = parseMountinfo(fs.readFileSync('/proc/self/mountinfo', 'utf8'));
	const folderOf = (type: string, isIt: (folder: string) => boolean) =>
		mounts.find(mount => mount.type === type && isIt(mount.path))?.path;
	const ofSecond = folderOf('cgroup2', hasMemory);
	if (ofSecond !== undefined) return {folder: ofSecond, ...second};
	const ofFirst = folderOf('cgroup', folder => fs.existsSync(path.join(folder, first.events)));
	return ofFirst === undefined ? undefined : {folder: ofFirst, ...first};
}

/** Why there is none here, or null. */
export function whyNoMemoryCgroup(): string | null {
	if (process.geteuid?.() !== 0) return 'not root';
	const hierarchy = findHierarchy();
	if (hierarchy === undefined) return 'no control groups for memory';
	try {
		new MemoryCgroup(1 << 20)[Symbol.dispose]();
		return null;
	} catch (error) {
		return `no control group can be made: ${String(error)}`;
	}
}

export class MemoryCgroup implements Disposable {
	readonly #hierarchy: Hierarchy;
	readonly #folder: string;

	/** What a process has when it comes in is not counted. */
	constructor(bytes: number) {
		const hierarchy = findHierarchy();
		if (hierarchy === undefined) throw new Error('no control groups for memory');
		this.#hierarchy = hierarchy;
		this.#folder = fs.mkdtempSync(path.join(hierarchy.folder, 'ext4box-test-'));
		fs.writeFileSync(path.join(this.#folder, hierarchy.limit), String(bytes));
		const [name, value] = hierarchy.swap;
		const swap = path.join(this.#folder, name);
		if (fs.existsSync(swap)) fs.writeFileSync(swap, value);
	}

	take(pid: number): void {
		fs.writeFileSync(path.join(this.#folder, 'cgroup.procs'), String(pid));
	}

	/** How many of its processes the kernel has killed for want of memory. */
	get killCount(): number {
		const text = fs.readFileSync(path.join(this.#folder, this.#hierarchy.events), 'utf8');
		return Number(/^oom_kill (\d+)$/m.exec(text)?.[1]);
	}

	/** Its processes must have ended. */
	[Symbol.dispose](): void {
		fs.rmdirSync(this.#folder);
	}
}
