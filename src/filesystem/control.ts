/** IOCTL: what ext4 answers, and what this server is asked and told about itself. */
import {remountReadOnly, remountReadWrite} from '../../ext4/index.ts';
import {errno} from '../errno.ts';
import type {Handlers} from '../fuse/connection.ts';
import {ioctlIn} from '../fuse/layout.ts';
import type {Reply, Request} from '../fuse/message.ts';
import {
	answerIoctl,
	changeByIoctl,
	ioctls,
	isChangingIoctl,
	shutDownIoctl,
	trimByIoctl,
	trimIoctl,
} from '../ioctl.ts';
import {remountIoctl, statusIoctl} from '../status.ts';
import {putIoctl} from './replies.ts';
import type {Served} from './served.ts';

export function controlHandlers(served: Served): Handlers {
	const {volume, config} = served;

	/** A status tells what is in the image: only who mounted it may hear that, and root. */
	const isMaster = ({uid}: Request): boolean => uid === 0 || uid === config.mounterUid;

	const answerStatus = (reply: Reply): number => {
		const bytes = served.status();
		return putIoctl(reply, bytes, bytes.length);
	};

	/** What the kernel may write to is taken back first: the space that it was given ahead, too. */
	const endWriting = (): void => {
		served.iomap?.withdraw();
		try {
			if (volume.transactions?.isWritable === true) served.iomap?.giveBackAll();
			remountReadOnly(volume);
		} catch (error) {
			if (volume.transactions?.isWritable === true) served.iomap?.restore();
			throw error;
		}
	};

	const remount = (request: Request, reply: Reply): number => {
		const isReadOnly = request.data()[0] === 1;
		if (config.readOnly) return isReadOnly ? putIoctl(reply, new Uint8Array(0), 0) : -errno.EROFS;
		if (!isReadOnly) {
			remountReadWrite(volume);
			served.iomap?.restore();
			served.remounted();
			return putIoctl(reply, new Uint8Array(0), 0);
		}
		// As the kernel: a file without a name is freed when it is closed, which is a change.
		if (served.nodes.linklessCount > 0) return -errno.EBUSY;
		endWriting();
		return putIoctl(reply, new Uint8Array(0), 0);
	};

	const change = (request: Request, reply: Reply, command: number): number => {
		const inode = served.transact(request, handle => {
			const found = served.inode(request);
			// Nothing is denied to a lone mounter; the kernel asks only who holds the file open.
			const isPrivileged = request.uid === 0 || !config.allowOther;
			const isOwner = isPrivileged || request.uid === served.owners.users.shown(found.uid);
			changeByIoctl(handle, found, command, request.data(), {isPrivileged, isOwner});
			return found;
		});
		served.settle(inode);
		// Who reads the device itself, as blkid does, is to see it.
		if (command === ioctls.FS_IOC_SETFSLABEL) volume.transactions?.checkpoint();
		// The kernel takes no part in this, and kept its ctime. (That of a file, with a write-back
		// cache, it keeps whatever it is told.)
		served.invalidateAttributes(request.nodeId);
		return putIoctl(reply, new Uint8Array(0), 0);
	};

	return {
		ioctl(request, reply) {
			const command = request.u32(ioctlIn.at.cmd);
			if (command === statusIoctl || command === remountIoctl) {
				if (!isMaster(request)) return -errno.EPERM;
				return command === statusIoctl ? answerStatus(reply) : remount(request, reply);
			}
			if (command === shutDownIoctl) {
				if (!isMaster(request)) return -errno.EPERM;
				served.shutDown.begin(served);
				return putIoctl(reply, new Uint8Array(0), 0);
			}
			if (command === trimIoctl) {
				// The kernel's ext4 asks for CAP_SYS_ADMIN: here who mounted has the image to himself.
				if (!isMaster(request)) return -errno.EPERM;
				return putIoctl(reply, trimByIoctl(volume, request.data()), 0);
			}
			if (isChangingIoctl(command)) return change(request, reply, command);
			const answer = answerIoctl(volume, served.inode(request), command);
			return answer === undefined ? -errno.ENOTTY : putIoctl(reply, answer, 0);
		},
	};
}
