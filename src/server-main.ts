/**
 * The server process: `NODE server-main.js JSON`, started by the mount helper with /dev/fuse as
 * descriptor 3 and the image as descriptor 4. Closes its sandbox before it reads the first byte of
 * the image. Says `R` on descriptor 1 once the image is open, or
 * one line on descriptor 2 (then status 1); serves until the file system is unmounted, brings
 * everything home, and ends with status 0. It opens no path on the way.
 */
import {fstatSync, writeSync} from 'node:fs';
import {availableParallelism, hostname} from 'node:os';
import {
	closeVolume,
	DeviceError,
	FileError,
	openForWriting,
	openRecovered,
	updateMmp,
	Volume,
	type VolumeOptions,
} from '../ext4/index.ts';
import {nodeHashes} from '../images/hashes.ts';
import {AlignedDevice, openImageOn, printable, RawDevice} from '../images/index.ts';
import {CountingDevice} from './counting-device.ts';
import {ioctlsFor, makeIomapLink, planDataPath, sectorBytesOf} from './data-path.ts';
import {discardIoctl, discardOf} from './discard.ts';
import {errno, errnoOf} from './errno.ts';
import {describeEnd, describeFailure} from './failure.ts';
import {Faults} from './faults.ts';
import {requestLimits} from './filesystem/limited.ts';
import {FileSystem, initFlags, transferBytesMax} from './filesystem.ts';
import {BusyWait} from './fuse/busy-wait.ts';
import {Connection} from './fuse/connection.ts';
import {iomapExperiment, iomapOperations} from './fuse/iomap-operations.ts';
import {newestMinor} from './fuse/layout.ts';
import {operations} from './fuse/operations.ts';
import {type Clock, DeviceTransport} from './fuse/transport.ts';
import {type Grant, grantVariable, parseGrant} from './grant.ts';
import {writeError} from './log.ts';
import {parseServerConfig, type ServerConfig} from './mount/server-config.ts';
import {isOutOfMemory} from './out-of-memory.ts';
import {randomUint32} from './random.ts';
import {closeSandbox} from './sandbox/close.ts';
import type {SandboxState} from './sandbox/levels.ts';
import {SignOfLife} from './sign-of-life.ts';
import {encodeStatus} from './status.ts';
import {collectStatus} from './status-source.ts';
import {
	coarseTime,
	makeNonBlocking,
	pageSize,
	readOrErrno,
	waitReadable,
	writeOrErrno,
} from './syscalls.ts';
import {Upkeep} from './upkeep.ts';

/** Of a server that writes: a pipe whose end tells it to end. */
const stopDescriptor = 0;
const readyDescriptor = 1;
const fuseDescriptor = 3;
const imageDescriptor = 4;

/** In bytes; nanoseconds lie behind. */
const inodeSizeWithoutFineTimes = 128;

/** READs ahead that the kernel may have under way: with one thread, more only wait here. */
const maxBackground = 64;

type Opened = {
	readonly volume: Volume;
	readonly device: CountingDevice;
	readonly aligned: AlignedDevice;
	/** Where in the image the file system begins. */
	readonly offsetBytes: number;
	readonly sandbox: SandboxState;
	readonly grant: Grant;
	readonly isBlockDevice: boolean;
	/** Of a block device; 0 of a file. */
	readonly sectorBytes: number;
};

const pause = new Int32Array(new SharedArrayBuffer(4));
const pauseMilliseconds = 500;

/** Of a server that could not begin, or failed otherwise than with an errno. */
const statusFailed = 1;

const signOfLife = new SignOfLife(readyDescriptor);

/** Other hosts are waited for, for minutes perhaps, while requests wait: that is no hanging. */
function sleep(milliseconds: number): void {
	for (let left = milliseconds; left > 0; left -= pauseMilliseconds) {
		signOfLife.give();
		Atomics.wait(pause, 0, 0, Math.min(left, pauseMilliseconds));
	}
}

function openWritable(
	device: CountingDevice,
	config: ServerConfig,
	options: VolumeOptions,
): Volume {
	const {errors, startsReadOnly} = config;
	const open = startsReadOnly ? openRecovered : openForWriting;
	// There is no panic for a server: it stops taking changes.
	const policy = errors === 'panic' ? 'remount-ro' : errors;
	return open(device, {
		...options,
		clock: coarseTime,
		randomUint32,
		...(policy === 'default' ? {} : {errors: policy}),
		mmp: {
			sleep,
			nodeName: hostname(),
			deviceName: config.imageName,
		},
	});
}

function openVolume(config: ServerConfig): Opened {
	// While a pipe for them can still be made.
	if (!config.readOnly) outliveSignals();
	const grant = parseGrant(process.env[grantVariable]);
	const isBlockDevice = fstatSync(imageDescriptor).isBlockDevice();
	const sectorBytes = isBlockDevice ? sectorBytesOf(imageDescriptor) : 0;
	const sandbox = closeSandbox({
		fuse: ioctlsFor(config, grant, isBlockDevice),
		image: isBlockDevice && !config.readOnly ? [discardIoctl] : [],
	});
	const raw = new RawDevice(imageDescriptor, {
		isWritable: !config.readOnly,
		discard: discardOf(imageDescriptor, sectorBytes),
	});
	const aligned = new AlignedDevice(raw);
	const image = openImageOn(aligned, {
		offsetBytes: config.offset,
		partition: config.partition,
		name: config.imageName,
	});
	const {offsetBytes} = image;
	const device = new CountingDevice(image.device);
	const options: VolumeOptions = {
		...(config.cacheBytes === undefined ? {} : {cacheBytes: config.cacheBytes}),
		journal: config.noRecovery ? 'ignore' : 'replay',
		hashes: nodeHashes,
	};
	const volume = config.readOnly
		? Volume.open(device, options)
		: openWritable(device, config, options);
	return {volume, device, aligned, offsetBytes, sandbox, grant, isBlockDevice, sectorBytes};
}

/**
 * At the end of a session every process of it is told to end. The supervisor unmounts then, and so
 * ends this one, when all is on the medium. A listener keeps the signal from doing it at once; it is
 * never called, as nothing here returns to Node's loop.
 */
function outliveSignals(): void {
	for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
		process.on(signal, () => {});
	}
}

/** /dev/fuse; while nothing is asked, what falls due by itself is done. */
function makeTransport(upkeep: Upkeep, isReadOnly: boolean): DeviceTransport {
	makeNonBlocking(fuseDescriptor);
	const stop = isReadOnly ? undefined : stopDescriptor;
	const clock: Clock = {
		tick: () => upkeep.tick(),
		wait: timeout => !waitReadable(fuseDescriptor, stop, timeout),
	};
	const now = () => performance.now();
	// On the only processor there is, who waits awake keeps away the one that it waits for.
	const busyWait = availableParallelism() > 1 ? new BusyWait(now) : undefined;
	const calls = {read: readOrErrno, write: writeOrErrno};
	return new DeviceTransport(fuseDescriptor, calls, clock, busyWait);
}

/** Returns the exit status: 0 where all is on the medium. */
function serve(config: ServerConfig, opened: Opened): number {
	const {volume, device, sandbox, grant, isBlockDevice, sectorBytes} = opened;
	const say = (text: string) => {
		const lines = text.split('\n').map(printable);
		writeError(`ext4box: ${printable(config.imageName)}: ${lines.join('\n')}\n`);
	};
	const faults = new Faults(say, Date.now);
	const {orphanProblem} = volume;
	if (orphanProblem !== undefined) {
		say(`files without a name that a crash has left were not all freed: ${oneLine(orphanProblem)}`);
	}
	const failed = (error: unknown, operation: string, nodeId?: number): void => {
		if (isOutOfMemory(error)) endAtOnce(say);
		fileSystem.failed(error);
		faults.record(error, operation, nodeId);
	};
	const upkeep = new Upkeep(volume, {
		commitSeconds: config.commitSeconds,
		now: () => performance.now(),
		failed: (error, what) => failed(error, what),
		beat: () => updateMmp(volume),
	});
	const pageBytes = pageSize();
	const facts = {
		isBlockDevice,
		blockSize: volume.geometry.blockSize,
		sectorBytes,
		isReplayedInMemory: config.readOnly && volume.recovery !== undefined,
	};
	const dataPath = planDataPath(config, grant, facts, pageBytes);
	const dialect = 'reason' in dataPath ? undefined : dataPath.dialect;
	const fileSystem: FileSystem = new FileSystem(volume, {
		config,
		...('reason' in dataPath
			? {}
			: {
					iomap: makeIomapLink({
						dialect: dataPath.dialect,
						fuseDescriptor,
						imageDescriptor,
						device: opened.aligned,
						sectorBytes,
						startBytes: opened.offsetBytes,
						notify: ({code, payload}) => connection.notify(code, payload),
						malformed: problem => faults.recordMalformed(problem),
					}),
				}),
		status: () =>
			encodeStatus(
				collectStatus({
					config,
					sandbox,
					grant,
					volume,
					device,
					connection,
					faults,
					fileSystem,
					dataPath,
				}),
			),
		invalidateAttributes: nodeId => connection.invalidateAttributes(nodeId),
		remounted: () => upkeep.restart(),
		faultNoticed: failed,
	});
	const connection = new Connection(
		makeTransport(upkeep, config.readOnly),
		fileSystem.handlers,
		{
			flags: initFlags(config),
			minor: newestMinor,
			maxTransferBytes: transferBytesMax,
			pageBytes,
			maxBackground,
			...(dialect === undefined ? {} : {experiment: iomapExperiment(dialect)}),
			// The kernel keeps times that it sets itself no finer than what it will be shown later.
			timeGranularity: volume.geometry.inodeSize > inodeSizeWithoutFineTimes ? 1 : 1e9,
		},
		{
			failed(error, operation, nodeId) {
				failed(error, operation, nodeId);
				return errnoOf(error);
			},
			// A file that was removed gives its blocks back when the kernel forgets it.
			mayChange: error =>
				(error === errno.ENOSPC || error === errno.EDQUOT) &&
				fileSystem.counts().linklessInodes > 0,
			malformed: problem => faults.recordMalformed(problem),
			trace: config.debug ? line => writeError(`${printable(line)}\n`) : undefined,
		},
		dialect === undefined ? operations : [...operations, ...iomapOperations(dialect)],
	);
	connection.serve();
	const status = bringHome(volume, fileSystem, say);
	device.close();
	const {loss} = fileSystem;
	return loss === undefined ? status : exitStatusOf(loss);
}

/**
 * Memory that was not to be had may have been wanted anywhere, in the middle of a change as well; and
 * who goes on with too little answers one request after another with an error, a full garbage
 * collection before each. So it is a power cut, which the journal is for: nothing more is written.
 */
function endAtOnce(say: (text: string) => void): never {
	try {
		say('memory is not to be had: ended, as by a power cut');
	} finally {
		process.exit(statusFailed);
	}
}

/**
 * The end of a mount: nobody has a file open, so those without a name are freed, and what is not
 * yet in its place is brought there. What fails is left to a recovery of the journal.
 * Returns the exit status.
 */
function bringHome(volume: Volume, fileSystem: FileSystem, say: (text: string) => void): number {
	const steps: readonly (readonly [step: () => void, statusOf: (error: unknown) => number])[] = [
		// Files without a name are nobody's data.
		[() => fileSystem.reapAll(), () => statusFailed],
		[() => closeVolume(volume), exitStatusOf],
	];
	let status = 0;
	for (const [step, statusOf] of steps) {
		try {
			step();
		} catch (error) {
			// A volume that has become read-only keeps them for the next mount.
			if (error instanceof FileError && error.code === 'EROFS') continue;
			if (isOutOfMemory(error)) endAtOnce(say);
			say(`at the end of the mount: ${oneLine(error)}`);
			status = statusOf(error);
		}
	}
	return status;
}

/** By which the supervisor, and whoever has unmounted, are told what kept data from the medium. */
function exitStatusOf(failure: unknown): number {
	// A full disk below is told apart from a broken one.
	const below = failure instanceof DeviceError ? failure.cause : undefined;
	const name = below instanceof Error && 'code' in below ? String(below.code) : '';
	return name in errno ? errno[name as keyof typeof errno] : errnoOf(failure);
}

function cpuMilliseconds(): number {
	const {user, system} = process.cpuUsage();
	return (user + system) / 1000;
}

/** What went wrong; with its stack, where that is a fault of this program. */
function oneLine(error: unknown, describe = describeFailure): string {
	const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
	return printable((describe(error) ?? fault).replaceAll(/\n\s*/g, ' '));
}

function main(): void {
	let config: ServerConfig | undefined;
	let opened: Opened;
	try {
		config = parseServerConfig(process.argv[2] ?? '');
		opened = openVolume(config);
	} catch (error) {
		const image = config === undefined ? '' : `${printable(config.imageName)}: `;
		writeError(`ext4box: ${image}${oneLine(error, describeEnd)}\n`);
		process.exitCode = statusFailed;
		return;
	}
	if (opened.volume.superblock.hasErrors) {
		// Before the mount is there: a daemon's last chance to be read.
		const advice = 'an earlier user found errors in it: "ext4box check" tells which';
		writeError(`ext4box: ${printable(config.imageName)}: warning: ${advice}\n`);
	}
	writeSync(readyDescriptor, 'R');
	signOfLife.start();
	opened.volume.cache.budget.limit(requestLimits, {
		milliseconds: () => performance.now(),
		cpuMilliseconds,
		working: () => signOfLife.give(),
	});
	process.exitCode = serve(config, opened);
}

main();
