/** The real server behind a transport of a test's choice: what `src/server-main.ts` puts together. */
import {type BlockDevice, openForWriting, Volume} from '../../../ext4/index.ts';
import {Window} from '../../../images/index.ts';
import {v7} from '../../../iomap/index.ts';
import {errno, errnoOf} from '../../../src/errno.ts';
import {FileSystem, initFlags, transferBytesMax} from '../../../src/filesystem.ts';
import {Connection} from '../../../src/fuse/connection.ts';
import {iomapExperiment, iomapOperations} from '../../../src/fuse/iomap-operations.ts';
import {newestMinor} from '../../../src/fuse/layout.ts';
import {operations} from '../../../src/fuse/operations.ts';
import type {Transport} from '../../../src/fuse/transport.ts';
import type {ServerConfig} from '../../../src/mount/server-config.ts';
import {defaultConfig} from '../server-config.ts';
import type {Time} from './node.ts';

/** Every request there is on such a kernel. */
export const iomapTable = [...operations, ...iomapOperations(v7)];

/** The number that the kernel gives the server's device. */
export const deviceNumber = 3;

export type ServerOptions = {
	readonly transport: Transport;
	readonly device: BlockDevice;
	readonly clock: {readonly now: Time};
	/** The file system begins at this byte of the device. */
	readonly startBytes?: number;
	readonly config?: Partial<ServerConfig>;
	/** Of the device, where somebody has opened it already. */
	readonly volume?: Volume;
	/** Tells the kernel of the device; returns its number. */
	readonly registerDevice?: () => number;
};

export type Server = {
	readonly connection: Connection;
	readonly fileSystem: FileSystem;
	readonly volume: Volume;
	/** What it found wrong with what it was asked, and faults of its own. */
	readonly problems: readonly string[];
};

function openOn({device, startBytes = 0, clock, config}: ServerOptions): Volume {
	let generation = 1;
	const window = new Window(device, startBytes, device.sizeBytes - startBytes);
	if (config?.readOnly === true) return Volume.open(window);
	return openForWriting(window, {
		clock: () => clock.now,
		randomUint32: () => generation++,
	});
}

export function makeServer(options: ServerOptions): Server {
	const {transport, startBytes = 0} = options;
	const volume = options.volume ?? openOn(options);
	const config: ServerConfig = {
		...defaultConfig,
		readOnly: false,
		allowOther: false,
		...options.config,
	};
	const problems: string[] = [];
	const malformed = (problem: string) => problems.push(problem);
	const fileSystem: FileSystem = new FileSystem(volume, {
		config,
		status: () => new Uint8Array(),
		invalidateAttributes: nodeId => connection.invalidateAttributes(nodeId),
		iomap: {
			dialect: v7,
			startBytes,
			registerDevice: options.registerDevice ?? (() => deviceNumber),
			notify: ({code, payload}) => connection.notify(code, payload),
			malformed,
		},
	});
	const connection: Connection = new Connection(
		transport,
		fileSystem.handlers,
		{
			flags: initFlags(config),
			minor: newestMinor,
			maxTransferBytes: transferBytesMax,
			pageBytes: 4096,
			maxBackground: 16,
			experiment: iomapExperiment(v7),
		},
		{
			failed(error, operation) {
				fileSystem.failed(error);
				const number = errnoOf(error);
				if (number === 5 || number === 117) problems.push(`${operation}: ${String(error)}`);
				return number;
			},
			mayChange: error =>
				(error === errno.ENOSPC || error === errno.EDQUOT) &&
				fileSystem.counts().linklessInodes > 0,
			malformed,
		},
		iomapTable,
	);
	return {connection, fileSystem, volume, problems};
}
