/** Which way data takes: the kernel moves it itself, or it passes through this server; and why. */
import {fstatSync} from 'node:fs';
import type {Volume} from '../ext4/index.ts';
import type {AlignedDevice} from '../images/index.ts';
import {type Dialect, v7} from '../iomap/index.ts';
import type {IomapLink} from './filesystem/iomap.ts';
import type {ServerConfig} from './mount/server-config.ts';
import {ioctl, makeDirect} from './syscalls.ts';

/** Pages of x86-64, and of arm64 as most kernels have them: larger blocks can crash a kernel. */
const pageBytes = 4096;
/** What transfers past the page cache are multiples of: blocks of 1 KiB are not made of larger ones. */
const sectorBytes = 512;

/** The dialect that the kernel is to be asked for; else why it is not asked. */
export type DataPathPlan = {readonly dialect: Dialect} | {readonly reason: string};

export function planDataPath(
	config: ServerConfig,
	volume: Volume,
	imageDescriptor: number,
): DataPathPlan {
	const reason = whyNot(config, volume, imageDescriptor);
	return reason === undefined ? {dialect: v7} : {reason};
}

function whyNot(config: ServerConfig, volume: Volume, imageDescriptor: number): string | undefined {
	const {blockSize} = volume.geometry;
	if (config.iomap === 'off') return 'it is switched off (iomap=off)';
	if (config.direct || config.isSync) return 'the page cache is to be bypassed (direct, sync)';
	if (!fstatSync(imageDescriptor).isBlockDevice()) {
		return 'the image is a file: the kernel moves data on block devices alone (losetup makes one of it)';
	}
	if (blockSize > pageBytes) return `blocks of ${blockSize} bytes are larger than a page`;
	if (config.iomap === 'static' && !config.readOnly) {
		return 'files may change, and only maps that stay are wanted (iomap=static)';
	}
	if (volume.recovery !== undefined) return 'its journal is replayed in memory alone';
	return undefined;
}

export type LinkOptions = {
	readonly dialect: Dialect;
	readonly fuseDescriptor: number;
	readonly imageDescriptor: number;
	readonly device: AlignedDevice;
	/** Where on the device the file system begins, in bytes. */
	readonly startBytes: number;
	readonly notify: IomapLink['notify'];
	readonly malformed: (problem: string) => void;
};

export function makeIomapLink(options: LinkOptions): IomapLink {
	const {dialect, fuseDescriptor, imageDescriptor, device, startBytes, notify, malformed} = options;
	return {
		dialect,
		startBytes,
		notify,
		malformed,
		registerDevice() {
			// The kernel goes past the page cache of the device, and so must what is read here.
			device.flush();
			device.align(sectorBytes);
			makeDirect(imageDescriptor);
			const argument = dialect.openDevice(imageDescriptor);
			const number = ioctl(fuseDescriptor, dialect.ioctls.openDevice, argument);
			// Memory that this thread wants must not be made by writing out pages of its own mount.
			ioctl(fuseDescriptor, dialect.ioctls.setNoFs, dialect.setNoFs(true));
			return number;
		},
	};
}
