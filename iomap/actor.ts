/**
 * Moves a file's bytes where no kernel does it for us: reads ranges over `begin` and `end`, and
 * finds data and holes.
 */
import {type Inode, readInlineData} from '../ext4/index.ts';
import type {Mapper} from './mapper.ts';

/**
 * Fills `into` with the bytes of `inode` from byte `position`, up to the end of the file, and
 * returns how many those are.
 *
 * Throws `FileError` (ENOKEY), `CorruptError`, `DeviceError`; what `into` holds then is undefined.
 */
export function readRange(
	mapper: Mapper,
	inode: Inode,
	position: number,
	into: Uint8Array,
): number {
	const count = Math.min(into.length, Math.max(0, inode.sizeBytes - position));
	let done = 0;
	while (done < count) {
		const at = position + done;
		const mapping = mapper.begin(inode, at, 'read');
		const length = Math.min(mapping.offset + mapping.length - at, count - done);
		const target = into.subarray(done, done + length);
		switch (mapping.kind) {
			case 'hole':
			case 'unwritten':
				target.fill(0);
				break;
			case 'mapped':
				mapper.volume.device.read(mapping.address + at - mapping.offset, target);
				break;
			case 'inline':
				target.set(readInlineData(mapper.volume, inode).subarray(at, at + length));
				break;
		}
		mapper.end(inode, mapping);
		done += length;
	}
	return count;
}

/**
 * The first byte at or after `position` that lies in data, or in a hole; the end of the file is
 * a hole. Undefined where `position` is not inside the file, or no data follows.
 */
export function seek(
	mapper: Mapper,
	inode: Inode,
	position: number,
	wanted: 'data' | 'hole',
): number | undefined {
	if (position < 0 || position >= inode.sizeBytes) return undefined;
	let at = position;
	// Every step ends beyond where it began.
	while (at < inode.sizeBytes) {
		const mapping = mapper.begin(inode, at, 'report');
		// Space that was never written holds no data, as the kernel's ext4 has it.
		const isData = mapping.kind === 'mapped' || mapping.kind === 'inline';
		if (isData === (wanted === 'data')) return at;
		at = mapping.offset + mapping.length;
	}
	return wanted === 'hole' ? inode.sizeBytes : undefined;
}
