/**
 * `begin` and `end`: a range of a file becomes a mapping, and is settled. The only way from a
 * file's bytes to the device's.
 */
import {FileError, type Inode, inodeFlags, mapAt, type Volume} from '../ext4/index.ts';
import {assertMapping, type Mapping} from './mapping.ts';

/** What the caller wants to do with the mapping. Writing joins these with the journal. */
export type BeginFlags = 'read' | 'report';

export class Mapper {
	readonly volume: Volume;
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

	/** Settles what `begin` gave. Reading leaves nothing to settle. */
	end(_inode: Inode, _mapping: Mapping): void {}

	#map(inode: Inode, position: number): Mapping {
		const blockSize = this.#blockSize;
		if ((inode.flags & inodeFlags.inlineData) !== 0) {
			if (position < inode.sizeBytes) return {kind: 'inline', offset: 0, length: inode.sizeBytes};
			const offset = position - (position % blockSize);
			return {kind: 'hole', offset, length: blockSize};
		}
		const run = mapAt(this.volume, inode, Math.floor(position / blockSize));
		const offset = run.logical * blockSize;
		const length = run.length * blockSize;
		if (run.kind === 'hole') return {kind: 'hole', offset, length};
		return {kind: run.kind, offset, length, address: run.physical * blockSize};
	}
}
