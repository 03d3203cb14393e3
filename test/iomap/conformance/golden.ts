/**
 * What a running kernel was seen to send for ordinary operations: section 7 of the description, and
 * the sequences that sections 5, 7.1 to 7.7 and 8 give. `(B,x)` is BEGIN with the flags x.
 */
import type {IomapKernel, Node} from '../../support/iomap-kernel/kernel.ts';
import type {Script} from '../../support/iomap-kernel/scripted-server.ts';
import {KernelError} from '../../support/iomap-kernel/wire.ts';

export type Golden = {
	readonly operation: string;
	/** How the server gives space. */
	readonly script: Script;
	/** Makes the file that the operation is about. */
	readonly before: (kernel: IomapKernel) => Node;
	readonly act: (kernel: IomapKernel, file: Node) => void;
	/** In order. Positions and lengths only where they are given. */
	readonly requests: readonly string[];
};

const unit = 4096;
const mapped: Script = {space: 'mapped', hasWholeExtents: true};
const unwritten: Script = {space: 'unwritten', hasWholeExtents: true};
const bytes = (length: number) => new Uint8Array(length).fill(7);

const newFile = (kernel: IomapKernel): Node => kernel.create(kernel.root(), 'file');

/** A new file that something was done to. */
function made(act: (kernel: IomapKernel, file: Node) => void): Golden['before'] {
	return kernel => {
		const file = newFile(kernel);
		act(kernel, file);
		return file;
	};
}

/** A file of so many bytes that are not written out yet. */
function dirty(length: number): Golden['before'] {
	return made((kernel, file) => kernel.write(file, 0, bytes(length)));
}

/** The same, in one tick of the clock: the times are those that the file was made with. */
function dirtyAtOnce(length: number): Golden['before'] {
	return made((kernel, file) => {
		kernel.clock.isHeld = true;
		kernel.write(file, 0, bytes(length));
	});
}

/** A file of so many bytes, written out and synced. */
function written(length: number): Golden['before'] {
	return made((kernel, file) => {
		kernel.write(file, 0, bytes(length));
		kernel.fsync(file);
	});
}

/** The same, and the kernel knows nothing of it but its name. */
function cold(length: number): Golden['before'] {
	return kernel => {
		kernel.evict(written(length)(kernel));
		const file = kernel.lookup(kernel.root(), 'file');
		if (file === undefined) throw new Error('the file is gone');
		return file;
	};
}

function preallocated(length: number, mode: number): Golden['before'] {
	return made((kernel, file) => kernel.fallocate(file, mode, 0, length));
}

function refused(action: () => void): void {
	try {
		action();
	} catch (error) {
		if (error instanceof KernelError) return;
		throw error;
	}
	throw new Error('it was not refused');
}

export const goldenTraces: readonly Golden[] = [
	{
		operation: 'buffered write 6000 B to empty file',
		script: mapped,
		before: newFile,
		act: (kernel, file) => kernel.write(file, 0, bytes(6000)),
		requests: ['(B,1)', 'END(SIZE_CHANGED)'],
	},
	{
		operation: 'fsync after that, the answers covering the extent',
		script: mapped,
		before: dirty(6000),
		act: (kernel, file) => kernel.fsync(file),
		requests: [
			'(B,80000000)',
			'device write',
			'IOEND(WRITEBACK|APPEND) 0+6000',
			'SETATTR(times)',
			'FSYNC',
		],
	},
	{
		operation: 'fsync after that, the answers covering what was asked for: one for each block',
		script: {...mapped, hasWholeExtents: false},
		before: dirty(6000),
		act: (kernel, file) => kernel.fsync(file),
		requests: [
			'(B,80000000) 0+4096',
			'device write',
			'(B,80000000) 4096+4096',
			'IOEND(WRITEBACK|APPEND) 0+6000',
			'SETATTR(times)',
			'FSYNC',
		],
	},
	{
		operation: 'close of a dirty file',
		script: mapped,
		before: dirtyAtOnce(6000),
		act: (kernel, file) => kernel.close(file),
		requests: [
			'(B,80000000)',
			'device write',
			'IOEND(WRITEBACK|APPEND) 0+6000',
			'FLUSH',
			'RELEASE',
		],
	},
	{
		operation: 'close of a dirty file whose times have changed',
		script: mapped,
		before: dirty(6000),
		act: (kernel, file) => kernel.close(file),
		requests: [
			'(B,80000000)',
			'device write',
			'IOEND(WRITEBACK|APPEND) 0+6000',
			'SETATTR(times)',
			'FLUSH',
			'RELEASE',
		],
	},
	{
		operation: 'overwrite inside the file + fsync',
		script: mapped,
		before: made((kernel, file) => {
			kernel.clock.isHeld = true;
			kernel.write(file, 0, bytes(6000));
			kernel.fsync(file);
		}),
		act(kernel, file) {
			kernel.write(file, 100, bytes(1000));
			kernel.fsync(file);
		},
		requests: ['(B,1)', '(B,80000000)', 'FSYNC'],
	},
	{
		operation: 'write beyond EOF (gap)',
		script: mapped,
		before: written(6000),
		act: (kernel, file) => kernel.write(file, 20_000, bytes(100)),
		requests: ['(B,2)', '(B,2)', '(B,1)', 'END(SIZE_CHANGED)'],
	},
	{
		operation: 'write beyond EOF (gap) from the end of a block',
		script: mapped,
		before: written(2 * unit),
		act: (kernel, file) => kernel.write(file, 20_000, bytes(100)),
		requests: ['(B,2) 8192+11808', '(B,1)', 'END(SIZE_CHANGED)'],
	},
	{
		operation: 'buffered read, cold; later the new atime',
		script: mapped,
		before: cold(6000),
		act(kernel, file) {
			kernel.read(file, 0, 6000);
			kernel.evict(file);
		},
		requests: ['(B,0)', 'SETATTR(times)', 'FORGET'],
	},
	{
		operation: 'direct read',
		script: mapped,
		before: cold(2 * unit),
		act: (kernel, file) => kernel.readDirect(file, 0, 2 * unit),
		requests: ['(B,10)'],
	},
	{
		operation: 'direct write to UNWRITTEN, extending',
		script: unwritten,
		before: preallocated(64 * 1024, 1),
		act: (kernel, file) => kernel.writeDirect(file, 0, bytes(2 * unit)),
		requests: ['(B,11)', 'device write', 'IOEND(DIRECT|UNWRITTEN|APPEND)'],
	},
	{
		operation: 'a direct write of a sector into a block that is UNWRITTEN',
		script: unwritten,
		before: preallocated(64 * 1024, 0),
		act: (kernel, file) => kernel.writeDirect(file, 1024, bytes(512)),
		requests: ['(B,11)', 'device write', 'IOEND(DIRECT|UNWRITTEN) 1024+512'],
	},
	{
		operation: 'direct write in place',
		script: mapped,
		before: written(4 * unit),
		act: (kernel, file) => kernel.writeDirect(file, unit, bytes(unit)),
		requests: ['(B,11)'],
	},
	{
		operation: 'O_DSYNC direct overwrite',
		script: mapped,
		before: written(4 * unit),
		act: (kernel, file) => kernel.writeDirect(file, unit, bytes(unit), {isSynchronous: true}),
		requests: ['(B,11)', 'SETATTR(times)', 'FSYNC(datasync=1)'],
	},
	{
		operation: 'first store through mmap',
		script: mapped,
		before: cold(2 * unit),
		act: (kernel, file) => kernel.store(file, 100, bytes(1)),
		requests: ['(B,0)', '(B,9)'],
	},
	{
		operation: 'writeback later',
		script: mapped,
		before(kernel) {
			const file = cold(2 * unit)(kernel);
			kernel.store(file, 100, bytes(1));
			return file;
		},
		act: (kernel, file) => kernel.writeBack(file),
		requests: ['(B,80000000)'],
	},
	{
		operation: 'lseek SEEK_DATA',
		script: mapped,
		before: cold(6000),
		act: (kernel, file) => kernel.seekData(file, 0),
		requests: ['(B,4)'],
	},
	{
		operation: 'FIEMAP',
		script: mapped,
		before: cold(6000),
		act: (kernel, file) => kernel.report(file, 0, 2 * unit),
		requests: ['(B,4)'],
	},
	{
		operation: 'SHARED mapping write',
		script: {...mapped, space: 'shared'},
		before: written(4 * unit),
		act(kernel, file) {
			kernel.write(file, unit, bytes(unit));
			kernel.writeBack(file);
		},
		requests: ['(B,1)', '(B,80000000)', 'device write', 'IOEND(SHARED|WRITEBACK)'],
	},
	{
		operation: 'DELALLOC',
		script: {...mapped, space: 'delalloc'},
		before: newFile,
		act(kernel, file) {
			kernel.write(file, 0, bytes(6000));
			kernel.writeBack(file);
		},
		requests: [
			'(B,1)',
			'END(SIZE_CHANGED)',
			'(B,80000000)',
			'device write',
			'IOEND(WRITEBACK|APPEND) 0+6000',
		],
	},
	{
		operation: 'OPEN with O_TRUNC',
		script: mapped,
		before: written(6000),
		act: (kernel, file) => kernel.open(file, {truncates: true}),
		requests: ['OPEN', 'SETATTR(0x628)'],
	},
	{
		operation: 'chmod',
		script: mapped,
		before: written(100),
		act: (kernel, file) => kernel.chmod(file, 0o600),
		requests: ['SETATTR(0x401)'],
	},
	{
		operation: 'truncate, grow (old 4096, new 10000), MAPPED',
		script: {...mapped, isMappedBehindEnd: true},
		before: written(4096),
		act: (kernel, file) => kernel.truncate(file, 10_000),
		requests: [
			'(B,2) 4096+5904',
			'(B,80000000)',
			'device write',
			'IOEND(WRITEBACK|APPEND) 4096+5904',
			'SETATTR(0x628)',
		],
	},
	{
		operation: 'truncate, grow (old 4096, new 10000), HOLE',
		script: mapped,
		before: written(4096),
		act: (kernel, file) => kernel.truncate(file, 10_000),
		requests: ['(B,2) 4096+5904', 'SETATTR(0x628)'],
	},
	{
		operation: 'truncate, grow (old 4096, new 10000), UNWRITTEN',
		script: unwritten,
		before(kernel) {
			const file = written(4096)(kernel);
			kernel.fallocate(file, 1, 4096, 64 * 1024);
			return file;
		},
		act: (kernel, file) => kernel.truncate(file, 10_000),
		requests: ['(B,2) 4096+5904', 'SETATTR(0x628)'],
	},
	{
		operation: 'truncate, shrink to the middle of a block',
		script: mapped,
		before: written(4 * unit),
		act: (kernel, file) => kernel.truncate(file, 6000),
		requests: ['(B,2) 6000+2192', '(B,80000000)', 'device write', 'SETATTR(0x628)'],
	},
	{
		operation: 'punch of whole blocks',
		script: mapped,
		before: written(8 * unit),
		act: (kernel, file) => kernel.fallocate(file, 3, unit, 4 * unit),
		requests: ['FALLOCATE', '(B,2) 4096+16384'],
	},
	{
		operation: 'zeroing of whole blocks',
		script: mapped,
		before: written(8 * unit),
		act: (kernel, file) => kernel.fallocate(file, 16, unit, 4 * unit),
		requests: ['FALLOCATE', '(B,2) 4096+16384'],
	},
	{
		operation: 'fallocate, extending, mode 0',
		script: unwritten,
		before: written(2 * unit),
		act: (kernel, file) => kernel.fallocate(file, 0, 0, 10 * unit),
		requests: ['FALLOCATE', '(B,2) 8192+32768'],
	},
	{
		operation: 'fallocate, COLLAPSE and INSERT',
		script: mapped,
		before: written(8 * unit),
		act(kernel, file) {
			for (const mode of [8, 32]) refused(() => kernel.fallocate(file, mode, 0, unit));
		},
		requests: [],
	},
	{
		operation: 'inline data, read',
		script: {...mapped, space: 'inline'},
		before: cold(100),
		act: (kernel, file) => kernel.read(file, 0, 100),
		requests: ['(B,0)', 'READ'],
	},
	{
		operation: 'inline data, write with both halves INLINE',
		script: {...mapped, space: 'inline both'},
		before: made((kernel, file) => {
			kernel.wire.ask('WRITE', {nodeId: file.id, fields: {size: 100}, data: bytes(100)});
			file.size = 100;
			file.recordedSize = 100;
		}),
		act: (kernel, file) => kernel.write(file, 10, bytes(20)),
		requests: ['(B,1)', 'READ', 'WRITE'],
	},
	{
		operation: 'inline data, write with PURE_OVERWRITE',
		script: {...mapped, space: 'inline'},
		before: newFile,
		act: (kernel, file) => kernel.write(file, 0, bytes(20)),
		requests: ['(B,1)', 'WRITE', 'END(SIZE_CHANGED)'],
	},
	{
		operation: 'a direct write that is refused with ENOSYS',
		script: {...mapped, refusesDirect: true},
		before: written(4 * unit),
		act: (kernel, file) => kernel.writeDirect(file, 0, bytes(unit)),
		requests: [
			'(B,11)',
			'IOEND(DIRECT) 0+0 error -38',
			'(B,1)',
			'(B,80000000)',
			'SETATTR(times)',
			'FSYNC(datasync=1)',
		],
	},
	{
		operation: 'swapon and swapoff',
		script: mapped,
		before: written(4 * unit),
		act(kernel, file) {
			kernel.swapOn(file);
			kernel.swapOff(file);
		},
		requests: ['(B,40000000)', 'IOEND(SWAPOFF)'],
	},
	{
		operation: 'sync',
		script: mapped,
		before: cold(100),
		act: kernel => kernel.sync(),
		requests: ['SYNCFS'],
	},
	{
		operation: 'FIFREEZE and FITHAW',
		script: mapped,
		before: cold(100),
		act(kernel) {
			kernel.freeze();
			kernel.thaw();
		},
		requests: ['SYNCFS', 'FREEZE_FS', 'UNFREEZE_FS'],
	},
	{
		operation: 'unmount: no SYNCFS',
		script: mapped,
		before: cold(100),
		act: kernel => kernel.unmount(),
		requests: ['FORGET', 'DESTROY'],
	},
];

/** Without what the document tells elsewhere: capabilities, and writes to the device not listed. */
function relevant(trace: readonly string[], golden: Golden): string[] {
	const showsDevice = golden.requests.includes('device write');
	return trace.filter(
		each => !each.startsWith('GETXATTR') && (showsDevice || each !== 'device write'),
	);
}

/** Runs the operation; returns the requests that it causes. */
function requestsOf(kernel: IomapKernel, golden: Golden): string[] {
	if (!kernel.mount()) throw new Error('the server does not take part');
	const file = golden.before(kernel);
	const from = kernel.trace.length;
	golden.act(kernel, file);
	return relevant(kernel.trace.slice(from), golden);
}

/** Throws where the kernel does not send to the document's server what the document says. */
export function assertSame(kernel: IomapKernel, golden: Golden): void {
	const found = requestsOf(kernel, golden);
	const isSame =
		found.length === golden.requests.length &&
		golden.requests.every((wanted, index) => {
			const each = found[index] ?? '';
			return each === wanted || each.startsWith(`${wanted} `);
		});
	if (isSame) return;
	throw new Error(`${golden.operation}: ${found.join(', ')}; not ${golden.requests.join(', ')}`);
}

function kindOf(request: string): string {
	return request.match(/^\(?[A-Z_a-z ]+/)?.[0] ?? request;
}

function countsOf(requests: readonly string[]): Map<string, number> {
	const counts = new Map<string, number>();
	for (const request of requests) {
		const kind = kindOf(request);
		if (kind !== 'device write') counts.set(kind, (counts.get(kind) ?? 0) + 1);
	}
	return counts;
}

/**
 * Throws where the server has the kernel send more of any kind than the document's: BEGINs of all
 * flags are one kind.
 */
export function assertNoMore(kernel: IomapKernel, golden: Golden): void {
	const found = requestsOf(kernel, golden);
	const most = countsOf(golden.requests);
	for (const [kind, count] of countsOf(found)) {
		if (count <= (most.get(kind) ?? 0)) continue;
		throw new Error(`${golden.operation}: ${count} of ${kind}: ${found.join(', ')}`);
	}
}
