/** The entries of a directory as READDIR and READDIRPLUS want them. */
import {
	CorruptError,
	DeviceError,
	type EntryVisitor,
	type FileType,
	forEachEntry,
	type Inode,
	isExpectedError,
	type Volume,
} from '../ext4/index.ts';
import {rootInode, type Shown, writeEntry} from './attributes.ts';
import {dirent, direntplus, writeU64} from './fuse/layout.ts';
import {payloadAt, Reply} from './fuse/message.ts';

/** DT_*, as in dirent.h. */
const directoryTypes: {readonly [type in FileType]: number} = {
	fifo: 1,
	character: 2,
	directory: 4,
	block: 6,
	file: 8,
	symlink: 10,
	socket: 12,
};
const unknownType = 0;

const dotCode = 0x2e;

function isDotOrDotDot(bytes: Uint8Array, start: number, length: number): boolean {
	if (length > 2 || bytes[start] !== dotCode) return false;
	return length === 1 || bytes[start + 1] === dotCode;
}

/** Names are padded to 8 bytes. */
function padded(size: number): number {
	return (size + 7) & ~7;
}

/** One reply at a time; kept, so that an entry costs no object. */
export class EntryWriter {
	readonly #volume: Volume;
	readonly #shown: Shown;
	readonly #remember: (inode: number) => void;
	#reply = new Reply(0);
	#isPlus = false;
	#at = 0;
	#end = 0;

	/** `remember` is called with each inode that the kernel hears of. */
	constructor(volume: Volume, shown: Shown, remember: (inode: number) => void) {
		this.#volume = volume;
		this.#shown = shown;
		this.#remember = remember;
	}

	/**
	 * Writes the entries of `directory` from `cursor` on, as many as there is room for, and returns
	 * their bytes. With `isPlus` each has the attributes of what it names. Throws what
	 * `forEachEntry` throws, where it does so before the first entry is written.
	 */
	write(reply: Reply, directory: Inode, cursor: number, isPlus: boolean): number {
		this.#reply = reply;
		this.#isPlus = isPlus;
		this.#at = payloadAt;
		this.#end = payloadAt + reply.room;
		try {
			forEachEntry(this.#volume, directory, cursor, this.#visit);
		} catch (error) {
			// What was read before the damage is delivered; the next request runs into it again.
			if (this.#at === payloadAt || !isExpectedError(error)) throw error;
		}
		return this.#at - payloadAt;
	}

	readonly #visit: EntryVisitor = (bytes, start, length, inodeNumber, type, next) => {
		const direntAt = this.#at + (this.#isPlus ? direntplus.at.dirent : 0);
		const after = direntAt + padded(dirent.sizeBytes + length);
		if (after > this.#end) return false;
		let shownType = type === undefined ? unknownType : directoryTypes[type];
		if (this.#isPlus) {
			const inode = this.#writeNode(bytes, start, length, inodeNumber);
			if (inode === undefined) {
				// Node 0: the kernel learns the name alone, and asks with a LOOKUP if it must.
				this.#reply.bytes.fill(0, this.#at, direntAt);
			} else {
				this.#remember(inodeNumber);
				shownType = directoryTypes[inode.type];
			}
		}
		this.#writeDirent(direntAt, inodeNumber, next, shownType, length);
		this.#writeName(direntAt + dirent.sizeBytes, after, bytes, start, length);
		this.#at = after;
		return true;
	};

	/**
	 * Writes what an entry leads to. Undefined where the kernel wants none, or where it can't be had,
	 * which a LOOKUP will say.
	 */
	#writeNode(
		bytes: Uint8Array,
		start: number,
		length: number,
		inodeNumber: number,
	): Inode | undefined {
		if (inodeNumber === rootInode || isDotOrDotDot(bytes, start, length)) return undefined;
		try {
			const inode = this.#volume.readInode(inodeNumber);
			// Of an encrypted link the target is read, which tells its size.
			writeEntry(this.#reply.view, this.#at, inode, this.#shown);
			return inode;
		} catch (error) {
			if (error instanceof CorruptError || error instanceof DeviceError) return undefined;
			throw error;
		}
	}

	#writeDirent(at: number, inode: number, next: number, type: number, nameBytes: number): void {
		const {view} = this.#reply;
		writeU64(view, at + dirent.at.ino, inode);
		writeU64(view, at + dirent.at.off, next);
		view.setUint32(at + dirent.at.namelen, nameBytes, true);
		view.setUint32(at + dirent.at.type, type, true);
	}

	/** By hand: names are short, and `set` costs more than copying them. */
	#writeName(at: number, end: number, from: Uint8Array, start: number, length: number): void {
		const {bytes} = this.#reply;
		for (let index = 0; index < length; index++) bytes[at + index] = from[start + index] ?? 0;
		for (let padding = at + length; padding < end; padding++) bytes[padding] = 0;
	}
}
