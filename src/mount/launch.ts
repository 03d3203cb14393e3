import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readFileSync} from 'node:fs';
import {constants} from 'node:os';
import {dirname, join, resolve} from 'node:path';
import type {Readable} from 'node:stream';
import {setTimeout as sleep} from 'node:timers/promises';
import {CliError} from '../cli-error.ts';
import {isBuilt, programFile} from '../program-files.ts';
import type {SandboxLevel, WantedLevel} from '../sandbox/levels.ts';
import {exposedFiles} from './exposed-files.ts';
import type {HelperFailure} from './failures.ts';
import {supervisorOf, waitForEnd} from './mounts.ts';
import {fsnameBytesMax, hasUnescapedControls, type MountOptions, ownerMapOf} from './options.ts';
import {type ServerConfig, whyIomapUnwanted} from './server-config.ts';

/** What is started: tests put a stand-in in the server's place. */
export type Programs = {
	readonly helper: string;
	/** The set-uid helper that `make install` put in place; only the program installed with it has one. */
	readonly installed?: string;
	/** The server's argv without its last argument, the ServerConfig. The first is absolute. */
	readonly server: readonly string[];
	/** What the server may see in its sandbox besides its Node; absolute. */
	readonly exposed: readonly string[];
};

/** How the server is to be kept apart, and with how little of it nothing is to be served. */
export type SandboxRequest = {
	readonly level: WantedLevel;
	readonly required: SandboxLevel;
};

export type LaunchRequest = {
	readonly image: string;
	/** Absolute, and free of symbolic links. */
	readonly mountpoint: string;
	readonly options: MountOptions;
	/** As `decideAccess` settled it. */
	readonly isReadOnly: boolean;
	/** So too: the image is opened for writing although the mount is read-only. */
	readonly isRecovered: boolean;
	readonly sandbox: SandboxRequest;
};

/** A mount that answers. */
export type Mounted = {
	readonly way: 'fusermount3' | 'direct' | 'namespace' | 'installed';
	readonly id: number;
	readonly device: string;
	readonly supervisorPid: number;
};

/**
 * How a launch ended. `interrupted`: by a signal to us before there was anything to end, and nothing is
 * mounted. `refused`: the server has said why on stderr, and nothing is mounted.
 */
export type Outcome =
	| {readonly kind: 'ended'; readonly exitCode: number}
	| {readonly kind: 'interrupted'; readonly exitCode: number}
	| {readonly kind: 'refused'};

/** Of the server's Node. The new space as small as it goes: docs/decisions/memory.md. */
export const nodeFlags: readonly string[] = [
	'--max-old-space-size=96',
	'--max-semi-space-size=2',
	'--disable-sigusr1',
	'--disable-proto=delete',
	'--disallow-code-generation-from-strings',
];

/** V8 interprets: then no memory ever needs to become executable. */
const strictFlag = '--jitless';

/** Finds the helper and the server's entry beside the code that runs: sources, or what was built. */
export function findPrograms(): Programs {
	const helper = join(packageRoot(), 'mount-helper/build/mount-helper');
	if (!existsSync(helper)) {
		throw new CliError(
			`the mount helper is not built: run "make -C ${join(packageRoot(), 'mount-helper')}" (it needs a C compiler)`,
		);
	}
	const installed = findInstalled();
	return {
		helper,
		...(installed === null ? {} : {installed}),
		server: [process.execPath, ...nodeFlags, programFile('server-main')],
		exposed: exposedFiles(packageRoot(), isBuilt),
	};
}

/** Written by mount-helper/install.sh, beside the program that it installs. */
function findInstalled(): string | null {
	const path = join(packageRoot(), 'installed.json');
	if (!existsSync(path)) {
		return null;
	}
	const {helper} = JSON.parse(readFileSync(path, 'utf8')) as {helper?: unknown};
	return typeof helper === 'string' && existsSync(helper) ? helper : null;
}

function packageRoot(): string {
	let folder = import.meta.dirname;
	while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) {
		folder = dirname(folder);
	}
	return folder;
}

/**
 * Mounts. As a daemon it returns once the mount answers; in the foreground it calls `onReady` then,
 * and returns when the mount has ended. The installed helper is asked first, where there is one:
 * `onSkipped` is told why it was not to be had.
 */
export async function launchMount(
	request: LaunchRequest,
	programs: Programs,
	how: {
		isForeground: boolean;
		onReady: (mounted: Mounted) => void;
		onSkipped: (reason: string) => void;
	},
): Promise<Outcome> {
	const mine = [
		'mount',
		...sharedArguments(request),
		...(how.isForeground ? ['--foreground'] : []),
	];
	const config = serverConfig(request, 'image');
	let refusal: string | undefined;
	if (programs.installed === undefined) {
		how.onSkipped('it is not installed ("make -C mount-helper install" as root)');
	} else {
		const {installed} = programs;
		const outcome = await superviseHelper(installed, [...mine, '--', config], how.onReady);
		if (!isSkipped(outcome)) {
			return await explain(outcome, request);
		}
		refusal = outcome.failure.text;
		how.onSkipped(refusal);
	}
	const {exposing, argv} = serverArguments(request, programs);
	const args = [...mine, ...exposing, '--', ...argv, config];
	try {
		return await explain(await superviseHelper(programs.helper, args, how.onReady), request);
	} catch (error) {
		if (refusal === undefined || !(error instanceof CliError)) {
			throw error;
		}
		// What the better way had against it is what an administrator can change.
		throw new CliError(`${error.message} (the installed helper: ${refusal})`, error.exitCode);
	}
}

/** The administrator or the machine has something against the installed helper, not against the mount. */
function isSkipped(outcome: HelperOutcome): outcome is HelperOutcome & {kind: 'failed'} {
	return outcome.kind === 'failed' && ['policy', 'privilege'].includes(outcome.failure.code);
}

/** Mounts in a namespace of its own and runs a command there; `ended` has the command's status. */
export async function launchRun(
	request: LaunchRequest,
	programs: Programs,
	how: {command: readonly string[]; isTemporary: boolean; onReady: (mounted: Mounted) => void},
): Promise<Outcome> {
	const {exposing, argv} = serverArguments(request, programs);
	const server = [...argv, serverConfig(request, 'me')];
	const args = [
		...['run', ...sharedArguments(request), ...exposing],
		...(how.isTemporary ? ['--temporary', '--enter'] : []),
		...['--server-argc', String(server.length), '--', ...server, ...how.command],
	];
	return await explain(await superviseHelper(programs.helper, args, how.onReady), request);
}

function sharedArguments({
	image,
	mountpoint,
	options,
	isReadOnly,
	isRecovered,
	sandbox,
}: LaunchRequest): string[] {
	const chosen: [boolean, string][] = [
		[isReadOnly, '--read-only'],
		[isRecovered, '--recover'],
		[options.allowOther, '--allow-other'],
		[options.allowOther || options.defaultPermissions, '--default-permissions'],
		[options.noExec, '--noexec'],
		[options.noAtime, '--noatime'],
		[whyIomapUnwanted({...options, readOnly: isReadOnly && !isRecovered}) === undefined, '--iomap'],
		[options.isLoop, '--loop'],
	];
	return [
		...['--report-fd', String(reportFd), '--image', image, '--mountpoint', mountpoint],
		...['--fsname', options.fsname ?? fsnameOf(image), '--subtype', options.subtype],
		...['--watchdog', String(options.watchdogSeconds)],
		...['--sandbox', sandbox.level, '--require-sandbox', sandbox.required],
		...chosen.flatMap(([isChosen, name]) => (isChosen ? [name] : [])),
	];
}

/** The image's path as mount tables and df show it, unless it is one that they could not bear. */
function fsnameOf(image: string): string {
	const path = resolve(image);
	const isBearable = Buffer.byteLength(path) <= fsnameBytesMax && !hasUnescapedControls(path);
	return isBearable ? path : 'ext4box';
}

/** The server's argv but for its one argument, and what it may see: the installed helper has its own. */
function serverArguments({sandbox}: LaunchRequest, {server, exposed}: Programs): ServerArguments {
	if (sandbox.level === 'strict' && !isBuilt) {
		// Node strips types with WebAssembly, which is machine code made while it runs.
		throw new CliError('--sandbox strict needs the program built: run "npm run build"');
	}
	const [node = '', ...rest] = server; // The first is absolute, so it is there.
	return {
		exposing: exposed.flatMap(path => ['--expose', path]),
		argv: [node, ...(sandbox.level === 'strict' ? [strictFlag] : []), ...rest],
	};
}

type ServerArguments = {readonly exposing: readonly string[]; readonly argv: readonly string[]};

/** The server's one argument. */
function serverConfig(
	{image, options, isReadOnly, isRecovered}: LaunchRequest,
	ownersWhenUnsaid: 'image' | 'me',
): string {
	const mounter = {uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0};
	const config: ServerConfig = {
		imageName: image,
		readOnly: isReadOnly && !isRecovered,
		...(options.offset === null ? {} : {offset: options.offset}),
		...(options.partition === null ? {} : {partition: options.partition}),
		noRecovery: options.noRecovery,
		startsReadOnly: isRecovered,
		errors: options.errors,
		map: ownerMapOf(options.owners, mounter, ownersWhenUnsaid),
		mounterUid: mounter.uid,
		mounterGid: mounter.gid,
		allowOther: options.allowOther,
		defaultPermissions: options.defaultPermissions,
		acl: options.acl ?? options.allowOther,
		fakeroot: options.fakeroot,
		direct: options.direct,
		iomap: options.iomap,
		...(options.cacheBytes === null ? {} : {cacheBytes: options.cacheBytes}),
		minixDf: options.minixDf,
		noAtime: options.noAtime,
		commitSeconds: options.commitSeconds,
		isSync: options.isSync,
		isDirSync: options.isDirSync,
		...(options.create === null ? {} : {create: options.create}),
		debug: options.debug,
	};
	return JSON.stringify(config);
}

const reportFd = 3;

type HelperOutcome =
	| {readonly kind: 'ended' | 'interrupted'; readonly exitCode: number}
	| {readonly kind: 'failed'; readonly failure: HelperFailure};

/** Starts the helper, passes our signals on, takes its report, and waits for its end. */
async function superviseHelper(
	helper: string,
	args: string[],
	onReady: (mounted: Mounted) => void,
): Promise<HelperOutcome> {
	// First: it may have mounted before spawn returns, and we be told to stop.
	const signals = forwardSignals(() => child);
	const child = spawn(helper, args, {stdio: ['inherit', 'inherit', 'inherit', 'pipe']});
	const end = endOf(child);
	const reports = child.stdio[reportFd] as Readable;
	const isDaemon = args[0] === 'mount' && !args.includes('--foreground');
	try {
		const report = parseReport(await readLine(reports));
		if (report.kind === 'ready') {
			onReady(report.mounted);
		}
		const exitCode = await end;
		// A terminal's comes to the helper as well, and may be seen by its end first.
		const signal = signals.received() ?? forwarded.find(name => name === child.signalCode) ?? null;
		// What is in the foreground, and ready, the helper itself has ended in order.
		if (signal !== null && (isDaemon || report.kind !== 'ready')) {
			if (report.kind === 'ready') await endSupervisor(report.mounted.supervisorPid);
			await endOfReports(reports);
			return {kind: 'interrupted', exitCode: 128 + constants.signals[signal]};
		}
		if (report.kind === 'none') {
			throw new CliError(`${helper} ended without a word (status ${exitCode})`);
		}
		return report.kind === 'failed' ? report : {kind: 'ended', exitCode};
	} finally {
		signals.stop();
		reports.destroy();
	}
}

/** The mount was ready just when its maker was told to stop. Its supervisor may have seen that for itself. */
async function endSupervisor(pid: number): Promise<void> {
	const supervisor = supervisorOf(pid);
	if (supervisor === null) return;
	try {
		process.kill(pid, 'SIGTERM');
	} catch (error) {
		if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
	}
	await waitForEnd(supervisor);
}

const unmountedWithinMs = 30_000;

/** Supervisor and sentinel hold the pipe until nothing is mounted, but for a mount that was ready. */
async function endOfReports(reports: Readable): Promise<void> {
	if (reports.readableEnded || reports.destroyed) return;
	const patience = new AbortController();
	const ended = once(reports.resume(), 'end').then(() => patience.abort());
	const late = sleep(unmountedWithinMs, null, {signal: patience.signal}).catch((error: unknown) => {
		if (!patience.signal.aborted) throw error;
	});
	await Promise.race([ended, late]);
}

async function explain(outcome: HelperOutcome, request: LaunchRequest): Promise<Outcome> {
	if (outcome.kind !== 'failed') {
		return outcome;
	}
	const {failure} = outcome;
	if (failure.code === 'server' && failure.text.startsWith('status')) {
		return {kind: 'refused'};
	}
	if (failure.code === 'in-use' || (failure.code === 'image' && failure.errno !== 0)) {
		const {explainImageFailure} = await import('./image-failure.ts');
		throw explainImageFailure(failure, request.image);
	}
	const {explainFailure, readMachineFacts} = await import('./failures.ts');
	throw new CliError(explainFailure(failure, readMachineFacts(), request.mountpoint));
}

function endOf(child: ChildProcess): Promise<number> {
	const {promise, resolve: settle, reject} = Promise.withResolvers<number>();
	child.once('error', error =>
		reject(new CliError(`cannot start the mount helper: ${error.message}`)),
	);
	child.once('exit', (code, signal) => settle(code ?? 128 + signalNumber(signal)));
	// Awaited later than it may fail.
	promise.catch(() => {});
	return promise;
}

function signalNumber(signal: NodeJS.Signals | null): number {
	return signal === null ? 0 : constants.signals[signal];
}

const forwarded: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/**
 * While the helper runs we only wait for it, so what is meant for us is meant for it. A terminal
 * sends ^C and ^\ to every process of the group: there the helper has them already.
 */
function forwardSignals(to: () => ChildProcess): {
	/** The first that came, or null. */
	received: () => NodeJS.Signals | null;
	stop: () => void;
} {
	let first: NodeJS.Signals | null = null;
	const isTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
	const forward = (signal: NodeJS.Signals): void => {
		first ??= signal;
		if (!isTerminal || signal === 'SIGTERM' || signal === 'SIGHUP') {
			to().kill(signal);
		}
	};
	for (const signal of forwarded) {
		process.on(signal, forward);
	}
	const stop = (): void => {
		for (const signal of forwarded) {
			process.off(signal, forward);
		}
	};
	return {received: () => first, stop};
}

/** The first line of a stream, or what there was when it ended. The caller has to destroy the stream. */
async function readLine(stream: Readable): Promise<string> {
	let text = '';
	stream.setEncoding('utf8');
	for await (const piece of stream.iterator({destroyOnReturn: false})) {
		text += piece;
		if (text.includes('\n')) {
			break;
		}
	}
	return text.split('\n')[0] ?? '';
}

type Report =
	| {readonly kind: 'ready'; readonly mounted: Mounted}
	| {readonly kind: 'failed'; readonly failure: HelperFailure}
	| {readonly kind: 'none'};

/** Reads the helper's one line; see mount-helper/report.h. */
export function parseReport(line: string): Report {
	const ready = /^ready (fusermount3|direct|namespace|installed) (\d+) (\d+:\d+) (\d+)$/.exec(line);
	const [, way, id, device, pid] = ready ?? [];
	if (way !== undefined && device !== undefined) {
		const mounted = {
			way: way as Mounted['way'],
			id: Number(id),
			device,
			supervisorPid: Number(pid),
		};
		return {kind: 'ready', mounted};
	}
	const failed = /^failed ([a-z0-9-]+) (\d+) (.*)$/.exec(line);
	const [, code, errno, text] = failed ?? [];
	if (code !== undefined && text !== undefined) {
		return {kind: 'failed', failure: {code, errno: Number(errno), text}};
	}
	return {kind: 'none'};
}

/** The installed one takes away whatever is the caller's, however it was mounted. */
export function unmountHelper(programs: Programs): string {
	return programs.installed ?? programs.helper;
}

/** Unmounts one mount, named by id and device so that no other can be meant. Null: done. */
export async function launchUnmount(
	mount: {readonly id: number; readonly device: string; readonly path: string},
	helper: string,
	isLazy: boolean,
): Promise<HelperFailure | null> {
	const args = ['unmount', '--report-fd', String(reportFd), '--mountpoint', mount.path];
	args.push('--id', String(mount.id), '--device', mount.device, ...(isLazy ? ['--lazy'] : []));
	const child = spawn(helper, args, {stdio: ['ignore', 'inherit', 'inherit', 'pipe']});
	const end = endOf(child);
	const reports = child.stdio[reportFd] as Readable;
	const report = parseReport(await readLine(reports));
	reports.destroy();
	const exitCode = await end;
	if (exitCode === 0) {
		return null;
	}
	return report.kind === 'failed'
		? report.failure
		: {code: 'internal', errno: 0, text: `the mount helper ended with status ${exitCode}`};
}
