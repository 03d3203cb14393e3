/**
 * Blocks of attributes that another inode could share: those that were written or looked at lately,
 * by their hash. It only says where to look: what a block holds is compared before it is shared,
 * and a block leaves when it is freed, since what lies on the disk then still looks the same.
 */
import type {CachedBlock, Seal} from '../block-cache.ts';
import type {Handle} from '../journal/handle.ts';
import {xattrChecksumAt} from '../layout/xattr.ts';
import type {Volume} from '../volume.ts';
import {xattrBlockChecksum} from './entries.ts';

/** Blocks remembered, a number each. */
const rememberedMax = 4096;

export class SharedBlocks {
	/** Makes a block's checksum right; undefined where blocks have none. */
	readonly seal: Seal | undefined;
	readonly #blockOfHash = new Map<number, number>();

	constructor(volume: Volume) {
		this.seal = volume.features.has('metadata_csum')
			? (block: CachedBlock) =>
					block.view.setUint32(
						xattrChecksumAt,
						xattrBlockChecksum(volume, block.number, block.bytes),
						true,
					)
			: undefined;
	}

	/** A block that may hold attributes with this hash. */
	find(hash: number): number | undefined {
		return this.#blockOfHash.get(hash);
	}

	/** The block holds attributes with this hash from now on, unless the handle is rolled back. */
	add(handle: Handle, hash: number, block: number): void {
		if (hash === 0 || this.#blockOfHash.get(hash) === block) return;
		if (this.#blockOfHash.size >= rememberedMax) {
			for (const oldest of this.#blockOfHash.keys()) {
				this.#blockOfHash.delete(oldest);
				break;
			}
		}
		this.#blockOfHash.set(hash, block);
		handle.onRollback(() => this.remove(hash, block));
	}

	/** The block holds them no longer. Forgetting one too many does no harm. */
	remove(hash: number, block: number): void {
		if (this.#blockOfHash.get(hash) === block) this.#blockOfHash.delete(hash);
	}
}

const sharedBlocksOf = new WeakMap<Volume, SharedBlocks>();

export function sharedBlocks(volume: Volume): SharedBlocks {
	const known = sharedBlocksOf.get(volume);
	if (known !== undefined) return known;
	const made = new SharedBlocks(volume);
	sharedBlocksOf.set(volume, made);
	return made;
}
