/** A file system that is served to the kernel in memory, on a device in memory, by a call. */
import {spawnSync} from 'node:child_process';
import {closeSync} from 'node:fs';
import {type BlockDevice, closeVolume, type Volume} from '../../../ext4/index.ts';
import type {ServerConfig} from '../../../src/mount/server-config.ts';
import {FakeKernel} from '../fake-kernel.ts';
import {MemoryDevice} from '../memory-device.ts';
import {openUnnamed} from '../unnamed-file.ts';
import {IomapKernel} from './kernel.ts';
import {Clock} from './node.ts';
import {deviceNumber, iomapTable, makeServer} from './server.ts';

/** A server behind a kernel, wherever it is. What it holds is let go of when it is disposed of. */
export type ServedMount = Disposable & {
	readonly kernel: IomapKernel;
	/** What the server found wrong with what it was asked, and faults of its own. */
	readonly problems: readonly string[];
	/** Unmounts, and says what `e2fsck -fn` finds; undefined where that is nothing. */
	end(): string | undefined;
};

export type IomapMount = ServedMount & {
	readonly volume: Volume;
	readonly device: BytesDevice;
};

/** A device whose contents can be looked at. */
export type BytesDevice = BlockDevice & {readonly bytes: Uint8Array; flush(): void};

export type IomapMountOptions = {
	/** In place of one that holds the image, which is then not looked at. */
	readonly device?: BytesDevice;
	readonly config?: Partial<ServerConfig>;
	/** The file system begins at this byte of the device. */
	readonly startBytes?: number;
	readonly registerDevice?: () => number;
};

export function mountIomap(image: Uint8Array, options: IomapMountOptions = {}): IomapMount {
	const {startBytes = 0, device = new MemoryDevice(image), ...how} = options;
	const clock = new Clock();
	const wire = new FakeKernel(iomapTable);
	const kernel = new IomapKernel({wire, device, deviceNumber, clock});
	const server = makeServer({...how, transport: wire, device, clock, startBytes});
	const {connection, fileSystem, volume, problems} = server;
	wire.connection = connection;
	return {
		kernel,
		volume,
		device,
		problems,
		end() {
			if (kernel.counts['DESTROY'] === undefined) kernel.unmount();
			fileSystem.reapAll();
			closeVolume(volume);
			return findProblems(device.bytes.subarray(startBytes));
		},
		// All of it is memory.
		[Symbol.dispose]: () => undefined,
	};
}

export function findProblems(image: Uint8Array): string | undefined {
	const file = openUnnamed(image);
	try {
		const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};
		const stdio = ['ignore', 'pipe', 'pipe', file] as const;
		const judge = spawnSync('e2fsck', ['-fn', '/proc/self/fd/3'], {
			env,
			encoding: 'utf8',
			stdio: [...stdio],
		});
		return judge.status === 0 ? undefined : `${judge.status}: ${judge.stdout}${judge.stderr}`;
	} finally {
		closeSync(file);
	}
}
