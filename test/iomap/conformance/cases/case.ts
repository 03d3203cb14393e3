/** What a case of the conformance tests is, and what several need. */
import {type Answer, FakeKernel} from '../../../support/fake-kernel.ts';
import {IomapKernel, type Node} from '../../../support/iomap-kernel/kernel.ts';
import {
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

/** Adds cases to a list. */
export function into(cases: Case[]): (rule: RuleName, title: string, run: Case['run']) => void {
	return (rule, title, run) => {
		cases.push({rule, title, run});
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

export function mounted(
	t: Check,
	options: readonly string[] = plain,
	how: IomapMountOptions = {},
): IomapMount {
	const mount = mountIomap(image(options), how);
	t.true(mount.kernel.mount());
	return mount;
}

/** A kernel with a server that does what `script` says; a file of so many bytes is written. */
export function scripted(
	script: Partial<Script> = {},
	bytes = 0,
): {readonly kernel: IomapKernel; readonly file: Node} {
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
	return {kernel, file};
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

export function endsClean(t: Check, mount: IomapMount): void {
	t.is(mount.end(), undefined);
	t.deepEqual(mount.problems, []);
}

export function newFile({kernel}: IomapMount, name = 'file'): Node {
	return kernel.create(kernel.root(), name);
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

/** A file of one block of each kind, closed, so that nothing is given ahead. */
export function patchwork(mount: IomapMount): Node {
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.write(file, 0, new Uint8Array(2 * blockSize).fill(1));
	kernel.truncate(file, fileBytes);
	kernel.fsync(file);
	kernel.fallocate(file, 1, 3 * blockSize, 2 * blockSize);
	kernel.close(file);
	return file;
}

/** The requests that `action` causes, but for those about capabilities. */
export function requestsOf({kernel}: Pick<IomapMount, 'kernel'>, action: () => void): string[] {
	const before = kernel.trace.length;
	action();
	return kernel.trace.slice(before).filter(each => !each.startsWith('GETXATTR'));
}

/** The file, as the kernel learns of it anew. */
export function lookedUp({kernel}: Pick<IomapMount, 'kernel'>, name = 'file'): Node {
	const node = kernel.lookup(kernel.root(), name);
	if (node === undefined) throw new Error(`${name} is not there`);
	return node;
}

export function filled(length: number, value = 7): Uint8Array {
	return new Uint8Array(length).fill(value);
}
