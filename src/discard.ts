/** How the image is told that a range of it holds nothing: BLKDISCARD, or a hole in the file. */
import {fstatSync} from 'node:fs';
import {FileError} from '../ext4/index.ts';
import type {Discard} from '../images/index.ts';
import {ioctl, punchHoleIn, SystemError} from './syscalls.ts';

/** BLKDISCARD, for two numbers of 64 bits: where, and how many bytes. */
export const discardIoctl = 0x1277;

/** What has no such operation says so in one of these ways. */
const unsupported = ['EOPNOTSUPP', 'ENOTTY', 'ENOSYS', 'ENODEV'];

function discardOnDevice(descriptor: number, position: number, lengthBytes: number): void {
	const range = new BigUint64Array([BigInt(position), BigInt(lengthBytes)]);
	ioctl(descriptor, discardIoctl, new Uint8Array(range.buffer));
}

/** `sectorBytes` of a block device; 0 for a file. */
export function discardOf(descriptor: number, sectorBytes: number): Discard {
	const isDevice = sectorBytes > 0;
	// Of a file, whole blocks of the file system that it lies on: parts of them would be zeroed.
	const unitBytes = isDevice ? sectorBytes : fstatSync(descriptor).blksize;
	const tell = isDevice ? discardOnDevice : punchHoleIn;
	return {
		unitBytes,
		range(position, lengthBytes) {
			try {
				tell(descriptor, position, lengthBytes);
			} catch (error) {
				if (!(error instanceof SystemError) || !unsupported.includes(error.code)) throw error;
				throw new FileError('EOPNOTSUPP', 'the image can not be told of free blocks');
			}
		},
	};
}
