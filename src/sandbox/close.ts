/**
 * The server's own part of its sandbox: called once, when all of the program is loaded and before
 * the first byte of the image is read. What the helper has put around it is there already.
 */
import {fstatSync} from 'node:fs';
import {addressOf, systemCall} from '../syscalls.ts';
import {type HelperReport, parseHelperReport, reportVariable} from './helper-report.ts';
import {isAtLeast, type Layer, type SandboxLevel, type SandboxState} from './levels.ts';
import {tryToEscape} from './self-test.ts';
import {servingFilter} from './serving-filter.ts';
import {type SystemCallName, systemCallNumber, thisMachine} from './system-calls.ts';

/** The sandbox does not hold, or is less than what was required. */
export class SandboxError extends Error {
	override readonly name = 'SandboxError';
}

/** Those of the contract: 0 to 4. */
const descriptorCount = 5;
const imageDescriptor = 4;
/** RLIMIT_NOFILE as the helper sets it. */
const descriptorsMax = 64;

/**
 * All that is mapped, whatever it counts as; in bytes. V8 reserves 1.4 GiB that it hardly touches, 10 GiB
 * where Node strips types from sources, by WebAssembly. Memory that is only read counts as no data, and a
 * page of it costs a page of tables: docs/decisions/memory.md.
 */
const addressesMax = 2 ** 34;

// The same on x86-64 and arm64.
const limitFileSize = 1; // RLIMIT_FSIZE
const limitProcesses = 6; // RLIMIT_NPROC
const limitFiles = 7; // RLIMIT_NOFILE
const limitAddresses = 9; // RLIMIT_AS
const setDumpable = 4; // PR_SET_DUMPABLE
const setModeFilter = 1; // SECCOMP_SET_MODE_FILTER
const allThreads = 1; // SECCOMP_FILTER_FLAG_TSYNC
const getFlags = 1; // F_GETFD
const typeMask = 0o170000;
const pipeType = 0o010000;

function call(name: SystemCallName, ...values: (number | Uint8Array)[]): number {
	const number = systemCallNumber(name, thisMachine());
	if (number === undefined) throw new SandboxError(`no ${name} on this machine`);
	return systemCall(number, ...values);
}

function must(name: SystemCallName, ...values: (number | Uint8Array)[]): void {
	const result = call(name, ...values);
	if (result !== 0) throw new SandboxError(`${name} failed: ${result}`);
}

/** struct rlimit64: soft and hard. */
function limit(resource: number, value: number): void {
	const bytes = new BigUint64Array([BigInt(value), BigInt(value)]);
	must('prlimit64', 0, resource, new Uint8Array(bytes.buffer), 0);
}

/**
 * What Node keeps open for itself is anonymous or a pipe. But for one: libuv has a descriptor of
 * /dev/null, or of the root where there is none, in reserve for servers that run out of them.
 * Nobody misses it here, and a path that is open is a way out.
 */
function closeStrayDescriptors(): void {
	for (let descriptor = descriptorCount; descriptor < descriptorsMax; descriptor++) {
		if (call('fcntl', descriptor, getFlags) < 0) continue;
		const type = fstatSync(descriptor).mode & typeMask;
		if (type !== 0 && type !== pipeType) must('close', descriptor);
	}
}

/** Numbers of those that serving needs, on /dev/fuse and on the image. */
export type Ioctls = {readonly fuse: readonly number[]; readonly image: readonly number[]};

/** struct sock_fprog: how many lines, and where they are. */
function installFilter(isStrict: boolean, ioctls: Ioctls): void {
	const machine = thisMachine();
	const filter = servingFilter({
		machine,
		pid: process.pid,
		isStrict,
		fuseIoctls: ioctls.fuse,
		imageIoctls: ioctls.image,
	});
	const program = new Uint8Array(16);
	const view = new DataView(program.buffer);
	view.setUint16(0, filter.length / 8, true);
	view.setBigUint64(8, addressOf(filter), true);
	const result = call('seccomp', setModeFilter, allThreads, program);
	if (result !== 0) throw new SandboxError(`seccomp: ${result}`);
}

/**
 * With its threads there and its files open, it needs no more of either, and the image never grows:
 * else whoever takes the server over could fill the disk that it lies on.
 */
function setLimits(): void {
	limit(limitProcesses, 0);
	limit(limitAddresses, addressesMax);
	// Of a block device the size is 0, and the limit means nothing.
	limit(limitFileSize, fstatSync(imageDescriptor).size);
	// poll(2) counts its entries against it.
	limit(limitFiles, descriptorCount);
	// No core, no /proc entries but root's, nobody attaches.
	must('prctl', setDumpable, 0, 0, 0, 0);
}

const noNewCode: Layer = {
	name: 'no new code',
	isActive: true,
	detail: 'no memory becomes executable; V8 interprets',
};

function levelOf({wanted, layers}: HelperReport): SandboxLevel {
	if (wanted === 'off') return 'off';
	const isApart = ['namespaces', 'root'].every(
		name => layers.find(layer => layer.name === name)?.isActive === true,
	);
	return isApart ? wanted : 'partial';
}

function check(state: SandboxState): void {
	if (isAtLeast(state.level, state.required)) return;
	const missing = state.layers
		.filter(layer => !layer.isActive)
		.map(({name, detail}) => `${name}: ${detail}`);
	const why = missing.length === 0 ? '' : ` (${missing.join('; ')})`;
	throw new SandboxError(`the sandbox is ${state.level}, and ${state.required} is required${why}`);
}

/**
 * Closes the sandbox and tries it. Throws `SandboxError` where it does not hold or is less than
 * required: then nothing may be served.
 */
export function closeSandbox(ioctls: Ioctls = {fuse: [], image: []}): SandboxState {
	const report = parseHelperReport(process.env[reportVariable]);
	const {wanted, required} = report;
	const level = levelOf(report);
	const isStrict = wanted === 'strict';
	if (wanted === 'off') {
		const state = {level, wanted, required, layers: []};
		check(state);
		return state;
	}
	closeStrayDescriptors();
	setLimits();
	installFilter(isStrict, ioctls);
	const holes = tryToEscape(systemCall, process.pid, isStrict);
	if (holes.length > 0) throw new SandboxError(`the sandbox does not hold: ${holes.join(', ')}`);
	const own: Layer[] = [
		{name: 'seccomp', isActive: true, detail: 'a list of what serving needs, on all threads'},
		...(isStrict ? [noNewCode] : []),
		{name: 'self-test', isActive: true, detail: 'nothing that was tried succeeded'},
	];
	const state = {level, wanted, required, layers: [...report.layers, ...own]};
	check(state);
	return state;
}
