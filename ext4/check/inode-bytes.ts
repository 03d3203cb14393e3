/**
 * One inode as it lies in its table, its fields read when they are touched. Unlike `decodeInode` it
 * judges nothing: any bytes are an inode. One object serves for a whole table.
 */
import {inodeBaseSize} from '../layout/inode.ts';

export class InodeBytes {
	number = 0;
	view: DataView;
	/** Where in `view` the inode begins. */
	at = 0;
	readonly size: number;

	constructor(view: DataView, size: number) {
		this.view = view;
		this.size = size;
	}

	get mode(): number {
		return this.view.getUint16(this.at, true);
	}
	get type(): number {
		return this.mode & 0xf000;
	}
	get uid(): number {
		return (
			this.view.getUint16(this.at + 2, true) + this.view.getUint16(this.at + 0x78, true) * 65536
		);
	}
	get gid(): number {
		return (
			this.view.getUint16(this.at + 0x18, true) + this.view.getUint16(this.at + 0x7a, true) * 65536
		);
	}
	get projectId(): number {
		if (this.size < 160 || this.extraSize < 32) return 0;
		return this.view.getUint32(this.at + 0x9c, true);
	}
	get sizeLow(): number {
		return this.view.getUint32(this.at + 4, true);
	}
	get sizeHigh(): number {
		return this.view.getUint32(this.at + 0x6c, true);
	}
	/** All 64 bits of it; beyond 2^53 no longer exact. */
	get sizeBytes(): number {
		return this.sizeHigh * 2 ** 32 + this.sizeLow;
	}
	get accessTime(): number {
		return this.view.getUint32(this.at + 8, true);
	}
	get changeTime(): number {
		return this.view.getUint32(this.at + 0xc, true);
	}
	get modificationTime(): number {
		return this.view.getUint32(this.at + 0x10, true);
	}
	get deletionTime(): number {
		return this.view.getUint32(this.at + 0x14, true);
	}
	get linkCount(): number {
		return this.view.getUint16(this.at + 0x1a, true);
	}
	get blocksLow(): number {
		return this.view.getUint32(this.at + 0x1c, true);
	}
	get blocksHigh(): number {
		return this.view.getUint16(this.at + 0x74, true);
	}
	get flags(): number {
		return this.view.getUint32(this.at + 0x20, true);
	}
	/** The lower half of `l_i_version`, in which an inode for values keeps how many it serves. */
	get version(): number {
		return this.view.getUint32(this.at + 0x24, true);
	}
	get generation(): number {
		return this.view.getUint32(this.at + 0x64, true);
	}
	get xattrBlockLow(): number {
		return this.view.getUint32(this.at + 0x68, true);
	}
	get xattrBlockHigh(): number {
		return this.view.getUint16(this.at + 0x76, true);
	}
	get fragmentAddress(): number {
		return this.view.getUint32(this.at + 0x70, true);
	}
	/** i_extra_isize as it stands; 0 in an inode of 128 bytes. */
	get extraSize(): number {
		return this.size > inodeBaseSize ? this.view.getUint16(this.at + 0x80, true) : 0;
	}

	/** Word `index` of i_block. */
	block(index: number): number {
		return this.view.getUint32(this.at + 0x28 + index * 4, true);
	}

	/** Whether a bit of `inodeFlags` is set. */
	has(flag: number): boolean {
		return (this.flags & flag) !== 0;
	}

	/** A copy that outlives the table's buffer. */
	copy(): InodeBytes {
		const {buffer, byteOffset} = this.view;
		const from = byteOffset + this.at;
		const copied = new InodeBytes(new DataView(buffer.slice(from, from + this.size)), this.size);
		copied.number = this.number;
		return copied;
	}
}
