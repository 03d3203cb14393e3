/** Gives what was made its owner, extended attributes, mode and times: in that order, as each may
 * undo what comes after it (chown drops set-id bits, a change of attributes sets the time). */
import {getXattr, type Inode, listXattrs, type Volume} from '../../ext4/index.ts';
import * as syscalls from '../syscalls.ts';
import type {LeftOut} from './left-out.ts';

const setIdBits = 0o6000;

export type Rights = {
	readonly isRoot: boolean;
	/** Root, and asked for: owners, set-id bits, capabilities, devices. */
	readonly keepsOwners: boolean;
};

export class Attributes {
	readonly #volume: Volume;
	readonly #rights: Rights;
	readonly #leftOut: LeftOut;

	constructor(volume: Volume, rights: Rights, leftOut: LeftOut) {
		this.#volume = volume;
		this.#rights = rights;
		this.#leftOut = leftOut;
	}

	/** Of a file or directory that is open. `addedMode` is what a directory needs for the time being. */
	onDescriptor(inode: Inode, descriptor: number, addedMode = 0): void {
		if (this.#rights.keepsOwners) syscalls.changeOwner(descriptor, inode.uid, inode.gid);
		this.#setXattrs(inode, (name, value) => syscalls.setXattr(descriptor, name, value));
		syscalls.changeMode(descriptor, this.modeOf(inode) | addedMode);
		syscalls.setTimes(descriptor, inode.accessTime, inode.modificationTime);
	}

	/** Of what can't be opened without side effects: a symbolic link, a FIFO, a device. */
	onName(inode: Inode, directory: number, name: Uint8Array): void {
		if (this.#rights.keepsOwners) syscalls.changeOwnerAt(directory, name, inode.uid, inode.gid);
		this.#setXattrs(inode, (attribute, value) =>
			syscalls.setXattrAt(directory, name, attribute, value),
		);
		// Links have no mode; anything else was made a moment ago, and is no link.
		if (inode.type !== 'symlink') syscalls.changeModeAt(directory, name, this.modeOf(inode));
		syscalls.setTimesAt(directory, name, inode.accessTime, inode.modificationTime);
	}

	/** Without set-id bits, unless the owner is kept too; a directory's lend nobody any rights. */
	modeOf(inode: Inode): number {
		const mode = inode.mode & 0o7777;
		if (this.#rights.keepsOwners || inode.type === 'directory' || (mode & setIdBits) === 0) {
			return mode;
		}
		this.#leftOut.setIdBits++;
		return mode & ~setIdBits;
	}

	#setXattrs(inode: Inode, set: (name: Uint8Array, value: Uint8Array) => void): void {
		for (const {name} of listXattrs(this.#volume, inode)) {
			const value = this.#mayKeep(name) ? getXattr(this.#volume, inode, name) : undefined;
			if (value === undefined) {
				this.#leftOut.addXattr(name);
				continue;
			}
			try {
				set(Buffer.from(name, 'latin1'), value);
			} catch (error) {
				// The target's file system may have no attributes, or not this kind, or no room.
				if (!(error instanceof syscalls.SystemError)) throw error;
				this.#leftOut.addXattr(name);
			}
		}
	}

	#mayKeep(name: string): boolean {
		if (name.startsWith('user.') || name.startsWith('system.posix_acl_')) return true;
		// A capability is a set-id bit by another name.
		if (name === 'security.capability') return this.#rights.keepsOwners;
		return this.#rights.isRoot && (name.startsWith('trusted.') || name.startsWith('security.'));
	}
}
