import {FileError} from './errors.ts';

/**
 * Where the bytes come from. `images/` implements it for files, devices and partitions; tests
 * implement it in memory. Everything is synchronous: the engine runs one operation to its end
 * before the next. Positions and lengths are in bytes.
 */
export interface BlockDevice {
	readonly sizeBytes: number;
	readonly isReadOnly: boolean;

	/**
	 * Fills all of `into` from `position`. Throws `DeviceError` when the range does not lie
	 * inside the device or when the medium fails; never fills in part and returns.
	 */
	read(position: number, into: Uint8Array): void;

	/** As one `read` into the buffers laid end to end; one request where the device can do it so. */
	readScattered(position: number, into: readonly Uint8Array[]): void;

	/** Throws `DeviceError` when the device is read-only or the range does not lie inside it. */
	write(position: number, from: Uint8Array): void;

	/** As one `write` of the buffers laid end to end; one request where the device can do it so. */
	writeScattered(position: number, from: readonly Uint8Array[]): void;

	/** Returns when all that was written is on the medium. */
	flush(): void;

	/**
	 * What lies in the range is of no use to anybody: it may read as anything from then on. What is less
	 * than a unit of the medium may be left as it is. Missing where the medium is never told such.
	 * Throws `FileError` EOPNOTSUPP where it can't be told, `DeviceError`.
	 */
	discard?(position: number, lengthBytes: number): void;

	close(): void;
}

/** Calls `discard` of a device; throws what it throws, and EOPNOTSUPP where it has none. */
export function discardOn(device: BlockDevice, position: number, lengthBytes: number): void {
	if (device.discard === undefined) {
		throw new FileError('EOPNOTSUPP', 'the device is never told of free blocks');
	}
	device.discard(position, lengthBytes);
}
