/** A file system that is served to the kernel in memory, on a device in memory. */
import {spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {type BlockDevice, closeVolume, openForWriting, type Volume} from '../../../ext4/index.ts';
import {Window} from '../../../images/index.ts';
import {v7} from '../../../iomap/index.ts';
import {errnoOf} from '../../../src/errno.ts';
import {FileSystem, initFlags, transferBytesMax} from '../../../src/filesystem.ts';
import {Connection} from '../../../src/fuse/connection.ts';
import {iomapOperations} from '../../../src/fuse/iomap-operations.ts';
import {operations} from '../../../src/fuse/operations.ts';
import type {ServerConfig} from '../../../src/mount/server-config.ts';
import {MemoryDevice} from '../memory-device.ts';
import {defaultConfig} from '../server-config.ts';
import {IomapKernel} from './kernel.ts';

export type IomapMount = {
	readonly kernel: IomapKernel;
	readonly volume: Volume;
	readonly device: BytesDevice;
	/** What the server found wrong with what it was asked, and faults of its own. */
	readonly problems: readonly string[];
	/** Unmounts, and says what `e2fsck -fn` finds; undefined where that is nothing. */
	end(): string | undefined;
};

/** A device whose contents can be looked at. */
export type BytesDevice = BlockDevice & {readonly bytes: Uint8Array; flush(): void};

export type IomapMountOptions = {
	/** In place of one that holds the image, which is then not looked at. */
	readonly device?: BytesDevice;
	readonly config?: Partial<ServerConfig>;
	/** The file system begins at this byte of the device. */
	readonly startBytes?: number;
};

const deviceNumber = 3;

export function mountIomap(image: Uint8Array, options: IomapMountOptions = {}): IomapMount {
	const startBytes = options.startBytes ?? 0;
	const device = options.device ?? new MemoryDevice(image);
	const inside = new Window(device, startBytes, device.sizeBytes - startBytes);
	let generation = 1;
	let seconds = 1_600_000_000;
	const volume = openForWriting(inside, {
		clock: () => ({seconds: seconds++, nanoseconds: 0}),
		randomUint32: () => generation++,
	});
	const config: ServerConfig = {
		...defaultConfig,
		readOnly: false,
		allowOther: false,
		...options.config,
	};
	const problems: string[] = [];
	const table = [...operations, ...iomapOperations(v7)];
	const kernel = new IomapKernel({device, table, deviceNumber});
	const fileSystem = new FileSystem(volume, {
		config,
		status: () => new Uint8Array(),
		invalidateAttributes: nodeId => connection.invalidateAttributes(nodeId),
		iomap: {
			dialect: v7,
			startBytes,
			registerDevice: () => deviceNumber,
			notify: ({code, payload}) => connection.notify(code, payload),
			malformed: problem => problems.push(problem),
		},
	});
	const connection: Connection = new Connection(
		kernel.wire,
		fileSystem.handlers,
		{
			flags: initFlags(config),
			minor: 46,
			maxTransferBytes: transferBytesMax,
			maxBackground: 16,
			experiment: {bit: v7.initBit, minor: v7.minor},
		},
		{
			failed(error, operation) {
				const number = errnoOf(error);
				if (number === 5 || number === 117) problems.push(`${operation}: ${String(error)}`);
				return number;
			},
			malformed: problem => problems.push(problem),
		},
		table,
	);
	kernel.attach(connection);
	return {
		kernel,
		volume,
		device,
		problems,
		end() {
			kernel.unmount();
			fileSystem.reapAll();
			closeVolume(volume);
			return findProblems(device.bytes.subarray(startBytes));
		},
	};
}

export function findProblems(image: Uint8Array): string | undefined {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-iomap-'));
	try {
		const path = join(folder, 'image');
		writeFileSync(path, image);
		const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};
		const {status, stdout, stderr} = spawnSync('e2fsck', ['-fn', path], {env, encoding: 'utf8'});
		return status === 0 ? undefined : `${status}: ${stdout}${stderr}`;
	} finally {
		rmSync(folder, {recursive: true});
	}
}
