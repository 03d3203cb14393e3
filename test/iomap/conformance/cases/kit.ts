/** What a case of the conformance tests is, and what it works with. */
import {type Answer, FakeKernel} from '../../../support/fake-kernel.ts';
import {IomapKernel, type Node} from '../../../support/iomap-kernel/kernel.ts';
import {
	type BytesDevice,
	type IomapMount,
	type IomapMountOptions,
	mountIomap,
} from '../../../support/iomap-kernel/mounted.ts';
import {type Script, ScriptedServer} from '../../../support/iomap-kernel/scripted-server.ts';
import {deviceNumber, iomapTable} from '../../../support/iomap-kernel/server.ts';
import {KernelError, types, type WireRecord} from '../../../support/iomap-kernel/wire.ts';
import {mke2fs} from '../../../support/made-volume.ts';
import {MemoryDevice} from '../../../support/memory-device.ts';
import type {RuleName} from '../rules.ts';

/** How a case says what must be; ava's execution context is one. */
export type Check = {
	is(actual: unknown, expected: unknown, message?: string): unknown;
	deepEqual(actual: unknown, expected: unknown, message?: string): unknown;
	true(actual: unknown, message?: string): unknown;
	false(actual: unknown, message?: string): unknown;
	fail(message?: string): unknown;
};

export type Case = {
	readonly rule: RuleName;
	readonly title: string;
	readonly run: (t: Check) => void;
};

/** A list of cases, and what adds one. */
export function caseList(): {
	readonly cases: Case[];
	readonly rule: (rule: RuleName, title: string, run: Case['run']) => void;
} {
	const cases: Case[] = [];
	return {
		cases,
		rule(rule, title, run) {
			cases.push({rule, title, run});
		},
	};
}

export const blockSize = 1024;
const images = new Map<string, Uint8Array>();

/** A copy of a file system that is made once. */
export function image(options: readonly string[], size = '8M'): Uint8Array {
	const key = [...options, size].join(' ');
	const made = images.get(key) ?? mke2fs(options, size);
	images.set(key, made);
	return made.slice();
}

export const plain = ['-t', 'ext4', '-b', String(blockSize)];

function lookUp(kernel: IomapKernel, name: string): Node {
	const node = kernel.lookup(kernel.root(), name);
	if (node === undefined) throw new Error(`${name} is not there`);
	return node;
}

/** A file system of a case's own behind the kernel in memory. */
export class Subject implements IomapMount {
	readonly #check: Check;
	readonly #mount: IomapMount;
	readonly kernel: IomapKernel;
	readonly volume: IomapMount['volume'];
	readonly device: BytesDevice;
	readonly problems: readonly string[];

	/** Serves `bytes`, which it changes. The kernel has not mounted it yet. */
	constructor(t: Check, bytes: Uint8Array, how: IomapMountOptions = {}) {
		this.#check = t;
		this.#mount = mountIomap(bytes, how);
		({
			kernel: this.kernel,
			volume: this.volume,
			device: this.device,
			problems: this.problems,
		} = this.#mount);
	}

	newFile(name = 'file'): Node {
		return this.kernel.create(this.kernel.root(), name);
	}

	/** A file of one block of each kind, closed, so that nothing is given ahead. */
	patchwork(): Node {
		const {kernel} = this;
		const file = this.newFile();
		kernel.write(file, 0, filled(2 * blockSize, 1));
		kernel.truncate(file, fileBytes);
		kernel.fsync(file);
		kernel.fallocate(file, 1, 3 * blockSize, 2 * blockSize);
		kernel.close(file);
		return file;
	}

	/** The file, as the kernel learns of it anew. */
	lookedUp(name = 'file'): Node {
		return lookUp(this.kernel, name);
	}

	end(): string | undefined {
		return this.#mount.end();
	}

	[Symbol.dispose](): void {
		this.#mount[Symbol.dispose]();
	}

	endsClean(): void {
		this.#check.is(this.end(), undefined);
		this.#check.deepEqual(this.problems, []);
	}
}

/** What a new file system is served with, and what makes it. */
type Making = IomapMountOptions & {readonly options?: readonly string[]};

export function served(t: Check, {options = plain, ...how}: Making = {}): Subject {
	return new Subject(t, image(options), how);
}

export function mounted(t: Check, making: Making = {}): Subject {
	const subject = served(t, making);
	t.true(subject.kernel.mount());
	return subject;
}

/** The same file system, as a kernel finds it that has just been started. */
export function mountedAgain(t: Check, {device}: Subject, how: IomapMountOptions = {}): Subject {
	const subject = new Subject(t, device.bytes.slice(), how);
	t.true(subject.kernel.mount());
	return subject;
}

/** A kernel with a server that does what `script` says; a file of so many bytes is written. */
export function scripted(
	script: Partial<Script> = {},
	bytes = 0,
): {readonly kernel: IomapKernel; readonly file: Node; readonly lookedUp: () => Node} {
	const wire = new FakeKernel(iomapTable);
	const device = new MemoryDevice(new Uint8Array(8 * 1024 * 1024));
	const kernel = new IomapKernel({wire, device, deviceNumber});
	new ScriptedServer(wire, kernel.clock, {space: 'mapped', hasWholeExtents: true, ...script});
	kernel.mount();
	const file = kernel.create(kernel.root(), 'file');
	if (bytes > 0) {
		kernel.write(file, 0, filled(bytes));
		kernel.fsync(file);
	}
	return {kernel, file, lookedUp: () => lookUp(kernel, 'file')};
}

/** Has `spoil` change every answer to requests of that name before the kernel sees it. */
export function spoilt(
	{wire}: IomapKernel,
	name: string,
	spoil: (answer: Answer) => Answer | undefined,
): void {
	const ask = wire.ask.bind(wire);
	wire.ask = (asked, question) => {
		const answer = ask(asked, question);
		return asked === name ? (spoil(answer) ?? answer) : answer;
	};
}

export function errnoOf(action: () => unknown): number {
	try {
		action();
		return 0;
	} catch (error) {
		if (error instanceof KernelError) return error.errno;
		throw error;
	}
}

const typeNames = new Map<number, string>(
	Object.entries(types).map(([name, type]) => [type, name]),
);

export function typeOf(record: WireRecord): string {
	return typeNames.get(record.type) ?? String(record.type);
}

/** What each block of the file below is. */
export const layout = ['mapped', 'mapped', 'hole', 'unwritten', 'unwritten', 'hole'] as const;
export const fileBytes = layout.length * blockSize;

export function filled(length: number, value = 7): Uint8Array {
	return new Uint8Array(length).fill(value);
}
