/** Blocks of a volume that are being changed: copies, until all of them are laid over at once. */
import {CorruptError} from '../../errors.ts';
import type {Volume} from '../../volume.ts';
import type {Overlay} from '../overlay.ts';

export type EditedBlock = {readonly bytes: Uint8Array; readonly view: DataView};

function asEdited(bytes: Uint8Array): EditedBlock {
	return {bytes, view: new DataView(bytes.buffer)};
}

/**
 * Of all blocks that fast commits may change, in bytes: several times what the largest area for them
 * that mke2fs makes unasked can name, 16 MiB of records, of which each inode has its own.
 */
const editedBytesMax = 2 ** 26;

export class EditedBlocks {
	readonly #volume: Volume;
	readonly #blocks = new Map<number, EditedBlock>();

	constructor(volume: Volume) {
		this.#volume = volume;
	}

	/** The block with what was changed in it so far. Throws `CorruptError`, `DeviceError`. */
	open(number: number): EditedBlock {
		return (
			this.#blocks.get(number) ?? this.#keep(number, this.#volume.cache.read(number).bytes.slice())
		);
	}

	/** The block full of zeros, whatever it held. */
	create(number: number): EditedBlock {
		return this.#keep(number, new Uint8Array(this.#volume.geometry.blockSize));
	}

	/** Lays every changed block over; the blocks belong to the overlay afterwards. */
	layOver(overlay: Overlay): void {
		for (const [number, block] of this.#blocks) overlay.set(number, block.bytes);
	}

	#keep(number: number, bytes: Uint8Array): EditedBlock {
		if ((this.#blocks.size + 1) * bytes.length > editedBytesMax) {
			throw new CorruptError(
				'EXT4_BAD_JOURNAL',
				`the fast commits change more than ${editedBytesMax} bytes of metadata`,
			);
		}
		const block = asEdited(bytes);
		this.#blocks.set(number, block);
		return block;
	}
}
