/**
 * `begin` and `end`: a range of a file becomes a mapping, and is settled. The only way from a
 * file's bytes to the device's.
 */
import {
	CorruptError,
	FileError,
	type Handle,
	type Inode,
	inodeFlags,
	isMetadata,
	type MutableInode,
	mapAt,
	mapForWriting,
	readInlineData,
	type Volume,
} from '../ext4/index.ts';
import {assertMapping, type Mapping, type WritableMapping} from './mapping.ts';
import {growTo} from './size.ts';

/** What the caller wants to do with the mapping; who wants to write asks `beginWrite`. */
export type BeginFlags = 'read' | 'report';

/** On the device, in bytes from its start: whole blocks. */
type Space = {readonly address: number; readonly length: number};

export class Mapper {
	readonly volume: Volume;
	/** Whether a kernel moves the data of that inode itself, and writes the zeros that it needs. */
	isMovedByKernel: (inode: number) => boolean = () => false;
	readonly #blockSize: number;

	constructor(volume: Volume) {
		this.volume = volume;
		this.#blockSize = volume.geometry.blockSize;
	}

	/**
	 * The mapping that covers byte `position` of `inode`, as far as one extent or one hole
	 * reaches; it may start before `position` and reach beyond the end of the file.
	 *
	 * Throws `FileError` ENOKEY for contents that are encrypted (`report` may still ask where they
	 * lie), `CorruptError`, `DeviceError`.
	 */
	begin(inode: Inode, position: number, flags: BeginFlags): Mapping {
		if ((inode.flags & inodeFlags.encrypted) !== 0 && flags === 'read') {
			throw new FileError('ENOKEY', 'the contents are encrypted and the key is not here');
		}
		const mapping = this.#map(inode, position);
		assertMapping(mapping, position, this.#blockSize);
		return mapping;
	}

	/**
	 * A mapping that starts with the block of byte `position`, has space, and covers `length` bytes
	 * or the first of them: holes get space. With `written` the caller writes to all of it before
	 * the handle ends; with `unwritten` space that is new, or was not written to, still reads as
	 * zeros until `ioend` says that it was.
	 *
	 * The file's data lies in blocks. Throws as `mapForWriting`; `CorruptError` where the map leads
	 * to the file system's own blocks.
	 */
	beginWrite(
		handle: Handle,
		inode: MutableInode,
		position: number,
		length: number,
		kind: 'written' | 'unwritten',
	): WritableMapping {
		const blockSize = this.#blockSize;
		const first = Math.floor(position / blockSize);
		const blocks = Math.ceil((position + length) / blockSize) - first;
		const run = mapForWriting(handle, inode, first, blocks, kind);
		const mapping: WritableMapping = {
			kind: run.kind,
			offset: run.logical * blockSize,
			length: run.length * blockSize,
			address: run.physical * blockSize,
			isNew: run.isNew,
		};
		assertMapping(mapping, position, blockSize);
		this.assertData(inode, mapping);
		return mapping;
	}

	/**
	 * The bytes were written to where `beginWrite` has said: unwritten space becomes written, and
	 * the file at least as long. In bytes; all blocks that the range touches have been written.
	 */
	ioend(handle: Handle, inode: MutableInode, position: number, length: number): void {
		const end = position + length;
		for (let at = position; at < end; ) {
			const mapping = this.beginWrite(handle, inode, at, end - at, 'written');
			at = mapping.offset + mapping.length;
		}
		growTo(handle, inode, end);
	}

	/** Settles what `begin` gave. Reading leaves nothing to settle. */
	end(_inode: Inode, _mapping: Mapping): void {}

	/**
	 * Throws `CorruptError` where what is about to be written to is not a file's to hold: a damaged
	 * map must not cost the rest of the file system.
	 */
	assertData(inode: Inode, mapping: Space): void {
		if (this.isData(mapping)) return;
		throw new CorruptError('EXT4_BLOCK_IN_USE', "a file's blocks are the file system's own", {
			inode: inode.number,
			block: mapping.address / this.#blockSize,
		});
	}

	/** Whether none of it is the file system's own. */
	isData({address, length}: Space): boolean {
		return !isMetadata(this.volume, address / this.#blockSize, length / this.#blockSize);
	}

	#map(inode: Inode, position: number): Mapping {
		const blockSize = this.#blockSize;
		if ((inode.flags & inodeFlags.inlineData) !== 0) {
			const length = Math.min(inode.sizeBytes, readInlineData(this.volume, inode).length);
			if (position < length) return {kind: 'inline', offset: 0, length};
			const offset = position - (position % blockSize);
			const blocks = Math.ceil((inode.sizeBytes - offset) / blockSize);
			return {kind: 'hole', offset, length: Math.max(1, blocks) * blockSize};
		}
		const run = mapAt(this.volume, inode, Math.floor(position / blockSize));
		const offset = run.logical * blockSize;
		const length = run.length * blockSize;
		if (run.kind === 'hole') return {kind: 'hole', offset, length};
		return {kind: run.kind, offset, length, address: run.physical * blockSize};
	}
}
