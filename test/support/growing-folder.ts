/** A directory below the root of a new file system, in which tests add and remove names. */
import {lookup} from '../../ext4/directory/lookup.ts';
import {forEachEntry} from '../../ext4/directory/read.ts';
import {addEntry, removeEntry} from '../../ext4/directory/write.ts';
import {type Inode, inodeFlags} from '../../ext4/layout/inode.ts';
import type {Volume} from '../../ext4/volume.ts';
import type {MadeVolume} from './made-volume.ts';
import {addInode} from './new-inode.ts';

/** No file may have more names. */
const linksMax = 65_000;

/** Names are given one character a byte (latin1). */
export class GrowingFolder {
	readonly made: MadeVolume;
	readonly volume: Volume;
	readonly number: number;
	readonly #targets: number[] = [];

	constructor(made: MadeVolume, isCasefolded = false) {
		this.made = made;
		this.volume = made.volume;
		this.number = this.volume.transact(handle => {
			const root = this.volume.readInode(2);
			const folder = addInode(handle, root, 'directory');
			addEntry(handle, root, Buffer.from('folder'), {inode: folder.number, type: 'directory'});
			if (isCasefolded) folder.flags |= inodeFlags.casefold;
			return folder.number;
		});
	}

	get inode(): Inode {
		return this.volume.readInode(this.number);
	}

	/** Adds a name for a file that has others, or for a new one named by the root as well. */
	add(name: string): void {
		this.volume.transact(handle => {
			const known = this.#targets.find(
				number => this.volume.readInode(number).linkCount < linksMax,
			);
			let target = known;
			if (target === undefined) {
				const root = this.volume.readInode(2);
				target = addInode(handle, root, 'fifo').number;
				addEntry(handle, root, Buffer.from(`target ${target}`), {inode: target, type: 'fifo'});
			}
			addEntry(handle, this.inode, Buffer.from(name, 'latin1'), {inode: target, type: 'fifo'});
			handle.edit(this.volume.readInode(target)).linkCount++;
			if (known === undefined) this.#targets.push(target);
		});
	}

	remove(name: string): void {
		this.volume.transact(handle => {
			const target = this.find(name);
			removeEntry(handle, this.inode, Buffer.from(name, 'latin1'));
			if (target !== undefined) handle.edit(this.volume.readInode(target)).linkCount--;
		});
	}

	find(name: string): number | undefined {
		return lookup(this.volume, this.inode, Buffer.from(name, 'latin1'))?.inode;
	}

	/** All names but `.` and `..`, as they are listed. */
	get names(): string[] {
		const names: string[] = [];
		forEachEntry(this.volume, this.inode, 0, (bytes, start, length) => {
			const name = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
			if (name !== '.' && name !== '..') names.push(name);
			return true;
		});
		return names;
	}
}
