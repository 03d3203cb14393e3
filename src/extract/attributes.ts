/**
 * Gives what was made its owner, extended attributes, mode, ACL and times, in that order: a change
 * of owner drops set-id bits, attributes can't be set without the right to write, an ACL is what
 * counts where the mode says otherwise, and every change but the last sets a time.
 */
import {CorruptError, getXattr, type Inode, listXattrs, type Volume} from '../../ext4/index.ts';
import * as syscalls from '../syscalls.ts';
import type {LeftOut} from './left-out.ts';

const setIdBits = 0o6000;
const aclPrefix = 'system.posix_acl_';

export type Rights = {
	readonly isRoot: boolean;
	/** Root, and asked for: owners, set-id bits, capabilities, devices. */
	readonly keepsOwners: boolean;
};

type Attribute = {readonly name: string; readonly value: Uint8Array};
type Setter = (name: Uint8Array, value: Uint8Array) => void;

export class Attributes {
	readonly #volume: Volume;
	readonly #rights: Rights;
	readonly #leftOut: LeftOut;
	readonly #report: (path: Uint8Array, error: CorruptError) => void;

	/** Damaged attributes are given to `report`; the file keeps all else. */
	constructor(
		volume: Volume,
		rights: Rights,
		leftOut: LeftOut,
		report: (path: Uint8Array, error: CorruptError) => void,
	) {
		this.#volume = volume;
		this.#rights = rights;
		this.#leftOut = leftOut;
		this.#report = report;
	}

	/** Of a file or directory that is open. `addedMode` is what a directory needs for the time being. */
	onDescriptor(inode: Inode, path: Uint8Array, descriptor: number, addedMode = 0): void {
		if (this.#rights.keepsOwners) syscalls.changeOwner(descriptor, inode.uid, inode.gid);
		const attributes = this.#read(inode, path);
		const set: Setter = (name, value) => syscalls.setXattr(descriptor, name, value);
		const setMode = () => syscalls.changeMode(descriptor, this.#modeOf(inode) | addedMode);
		this.#setAll(attributes, 'others', set);
		// An ACL would take away again what is added; the mode that comes later changes the ACL.
		if (addedMode === 0) setMode();
		this.#setAll(attributes, 'acl', set);
		if (addedMode !== 0) setMode();
		syscalls.setTimes(descriptor, inode.accessTime, inode.modificationTime);
	}

	/** Of what can't be opened without side effects: a symbolic link, a FIFO, a device. */
	onName(inode: Inode, path: Uint8Array, directory: number, name: Uint8Array): void {
		if (this.#rights.keepsOwners) syscalls.changeOwnerAt(directory, name, inode.uid, inode.gid);
		const attributes = this.#read(inode, path);
		const set: Setter = (attribute, value) =>
			syscalls.setXattrAt(directory, name, attribute, value);
		this.#setAll(attributes, 'others', set);
		// Links have no mode; anything else was made a moment ago, and is no link.
		if (inode.type !== 'symlink') syscalls.changeModeAt(directory, name, this.#modeOf(inode));
		this.#setAll(attributes, 'acl', set);
		syscalls.setTimesAt(directory, name, inode.accessTime, inode.modificationTime);
	}

	/** Without set-id bits, unless the owner is kept too; a directory's lend nobody any rights. */
	#modeOf(inode: Inode): number {
		const mode = inode.mode & 0o7777;
		if (this.#rights.keepsOwners || inode.type === 'directory' || (mode & setIdBits) === 0) {
			return mode;
		}
		this.#leftOut.setIdBits++;
		return mode & ~setIdBits;
	}

	/** Those that may be kept; the others are counted. */
	#read(inode: Inode, path: Uint8Array): Attribute[] {
		const attributes: Attribute[] = [];
		try {
			for (const {name} of listXattrs(this.#volume, inode)) {
				const value = this.#mayKeep(name) ? getXattr(this.#volume, inode, name) : undefined;
				if (value === undefined) this.#leftOut.addXattr(name);
				else attributes.push({name, value});
			}
		} catch (error) {
			if (!(error instanceof CorruptError)) throw error;
			this.#report(path, error);
		}
		return attributes;
	}

	#setAll(attributes: readonly Attribute[], which: 'acl' | 'others', set: Setter): void {
		for (const {name, value} of attributes) {
			if (name.startsWith(aclPrefix) !== (which === 'acl')) continue;
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
		if (name.startsWith('user.') || name.startsWith(aclPrefix)) return true;
		// A capability is a set-id bit by another name.
		if (name === 'security.capability') return this.#rights.keepsOwners;
		return this.#rights.isRoot && (name.startsWith('trusted.') || name.startsWith('security.'));
	}
}
