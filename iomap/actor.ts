/**
 * Moves a file's bytes where no kernel does it for us: reads ranges over `begin` and `end`, and
 * finds data and holes.
 */
import {type Inode, inodeFlags, readInlineData, VerityReader} from '../ext4/index.ts';
import type {Mapper} from './mapper.ts';

/** A reader keeps up to half a MiB of hashes that it has found good, so few readers are kept. */
const verityReadersMax = 16;

/** The readers of the verity files that each mapper was asked for lately, the latest last. */
const verityReaders = new WeakMap<Mapper, Map<Inode, VerityReader>>();

function verityReaderOf(mapper: Mapper, inode: Inode): VerityReader {
	const readers = verityReaders.get(mapper) ?? new Map<Inode, VerityReader>();
	verityReaders.set(mapper, readers);
	const reader =
		readers.get(inode) ??
		new VerityReader(mapper.volume, inode, (position, into) =>
			transfer(mapper, inode, position, into),
		);
	readers.delete(inode);
	readers.set(inode, reader);
	const [oldest] = readers.keys();
	if (readers.size > verityReadersMax && oldest !== undefined) readers.delete(oldest);
	return reader;
}

/** Fills all of `into` from byte `position`, whether or not the file ends before. */
function transfer(mapper: Mapper, inode: Inode, position: number, into: Uint8Array): void {
	let done = 0;
	while (done < into.length) {
		const at = position + done;
		const mapping = mapper.begin(inode, at, 'read');
		const length = Math.min(mapping.offset + mapping.length - at, into.length - done);
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
}

/**
 * Fills `into` with the bytes of `inode` from byte `position`, up to the end of the file, and
 * returns how many those are. The contents of verity files are verified.
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
	const target = count === into.length ? into : into.subarray(0, count);
	if ((inode.flags & inodeFlags.verity) !== 0 && count > 0) {
		verityReaderOf(mapper, inode).read(position, target);
	} else {
		transfer(mapper, inode, position, target);
	}
	return count;
}

/**
 * Mappings that one search looks at. An honest file has fewer; a block map that leads to the same
 * block of zeros over and over has billions.
 */
const seekStepsMax = 2 ** 16;

/**
 * The first byte at or after `position` that lies in data, or in a hole; the end of the file is
 * a hole. Undefined where `position` is not inside the file, or no data follows. What a search
 * does not come to counts as data, as it may for any file.
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
	for (let step = 0; at < inode.sizeBytes; step++) {
		if (step >= seekStepsMax) return wanted === 'data' ? at : inode.sizeBytes;
		const mapping = mapper.begin(inode, at, 'report');
		// Space that was never written holds no data, as the kernel's ext4 has it.
		const isData = mapping.kind === 'mapped' || mapping.kind === 'inline';
		if (isData === (wanted === 'data')) return at;
		at = mapping.offset + mapping.length;
	}
	return wanted === 'hole' ? inode.sizeBytes : undefined;
}
