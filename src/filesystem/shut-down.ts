/**
 * The file system shut down under those who use it, as EXT4_IOC_SHUTDOWN does: what is committed is on
 * the medium, nothing more gets there, and its journal is left to be replayed. For tests of what a
 * crash leaves, and for whoever must have a disk let go without waiting for its users.
 */
import {FileError} from '../../ext4/index.ts';
import {errno} from '../errno.ts';
import type {Handler, Handlers} from '../fuse/connection.ts';
import type {Served} from './served.ts';

/** As the kernel's ext4 has it: names and attributes are shown on, contents are not. */
const goesOn = new Set([
	...['negotiated', 'forget', 'destroy', 'ioctl', 'lookup', 'getattr', 'statx', 'statfs'],
	...['opendir', 'readdir', 'readdirplus', 'releasedir', 'readlink', 'getxattr', 'listxattr'],
	...['open', 'flush', 'release'],
]);

export class ShutDown {
	#isDown = false;

	get isDown(): boolean {
		return this.#isDown;
	}

	/**
	 * Commits, then ends all writing. Which of its three ways is asked for can't be told: the kernel's
	 * FUSE hands on nothing that an ioctl declared for reading is given. Throws `DeviceError`.
	 */
	begin(served: Served): void {
		if (this.#isDown) return;
		this.#isDown = true;
		served.iomap?.withdraw();
		const {transactions} = served.volume;
		try {
			if (transactions?.isWritable === true) transactions.sync();
		} finally {
			transactions?.abort(new FileError('EROFS', 'the file system was shut down by ioctl'));
		}
	}

	/** The same handlers; but once it has begun, EIO from all that moves contents or changes anything. */
	guard(handlers: Handlers): Handlers {
		const guarded: {[name: string]: unknown} = {...handlers};
		for (const [name, handler] of Object.entries(handlers)) {
			if (goesOn.has(name)) continue;
			const handle = handler as Handler; // All that are not named above are of that type.
			guarded[name] = ((request, reply) =>
				this.#isDown ? -errno.EIO : handle(request, reply)) satisfies Handler;
		}
		return guarded as Handlers;
	}
}
