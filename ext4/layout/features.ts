/**
 * Feature bits. Kernel documentation, "Super Block", feature sets.
 *
 * compat: may be ignored. ro_compat: may be ignored by who only reads. incompat: may not be ignored.
 */
import {UnsupportedError} from '../errors.ts';

export const compatFeatures = {
	dir_prealloc: 0x1,
	imagic_inodes: 0x2,
	has_journal: 0x4,
	ext_attr: 0x8,
	resize_inode: 0x10,
	dir_index: 0x20,
	lazy_bg: 0x40,
	exclude_inode: 0x80,
	exclude_bitmap: 0x100,
	sparse_super2: 0x200,
	fast_commit: 0x400,
	stable_inodes: 0x800,
	orphan_file: 0x1000,
} as const;

export const roCompatFeatures = {
	sparse_super: 0x1,
	large_file: 0x2,
	btree_dir: 0x4,
	huge_file: 0x8,
	uninit_bg: 0x10,
	dir_nlink: 0x20,
	extra_isize: 0x40,
	has_snapshot: 0x80,
	quota: 0x100,
	bigalloc: 0x200,
	metadata_csum: 0x400,
	replica: 0x800,
	read_only: 0x1000,
	project: 0x2000,
	shared_blocks: 0x4000,
	verity: 0x8000,
	orphan_present: 0x10000,
} as const;

export const incompatFeatures = {
	compression: 0x1,
	filetype: 0x2,
	needs_recovery: 0x4,
	journal_dev: 0x8,
	meta_bg: 0x10,
	extent: 0x40,
	'64bit': 0x80,
	mmp: 0x100,
	flex_bg: 0x200,
	ea_inode: 0x400,
	dirdata: 0x1000,
	metadata_csum_seed: 0x2000,
	large_dir: 0x4000,
	inline_data: 0x8000,
	encrypt: 0x10000,
	casefold: 0x20000,
} as const;

export type CompatFeature = keyof typeof compatFeatures;
export type RoCompatFeature = keyof typeof roCompatFeatures;
export type IncompatFeature = keyof typeof incompatFeatures;
export type Feature = CompatFeature | RoCompatFeature | IncompatFeature;

/** What this program reads; every other incompat bit is refused by its name. */
const readableIncompat: readonly IncompatFeature[] = [
	'filetype',
	'needs_recovery',
	'meta_bg',
	'extent',
	'64bit',
	'mmp',
	'flex_bg',
	'ea_inode',
	'metadata_csum_seed',
	'large_dir',
	'inline_data',
	'encrypt',
	'casefold',
];

/** What this program writes; any other ro_compat bit makes the volume read-only. */
export const writableRoCompat: readonly RoCompatFeature[] = [
	'sparse_super',
	'large_file',
	'huge_file',
	'uninit_bg',
	'dir_nlink',
	'extra_isize',
	'quota',
	'bigalloc',
	'metadata_csum',
	'project',
	'verity',
	'orphan_present',
];

function namesOf(bits: number, table: {readonly [name: string]: number}, prefix: string): string[] {
	const names: string[] = [];
	for (let bit = 0; bit < 32; bit++) {
		const mask = 2 ** bit;
		if (Math.floor(bits / mask) % 2 === 0) continue;
		const known = Object.entries(table).find(([, value]) => value === mask);
		names.push(known === undefined ? `FEATURE_${prefix}${bit}` : known[0]);
	}
	return names;
}

/** The features that an image has on, by name; unknown bits are named as e2fsprogs names them. */
export class Features {
	readonly compat: number;
	readonly incompat: number;
	readonly roCompat: number;
	readonly #names: ReadonlySet<string>;

	constructor(compat: number, incompat: number, roCompat: number) {
		this.compat = compat;
		this.incompat = incompat;
		this.roCompat = roCompat;
		this.#names = new Set([
			...namesOf(compat, compatFeatures, 'C'),
			...namesOf(incompat, incompatFeatures, 'I'),
			...namesOf(roCompat, roCompatFeatures, 'R'),
		]);
	}

	has(feature: Feature): boolean {
		return this.#names.has(feature);
	}

	/** The same and `feature`. */
	with(feature: Feature): Features {
		return this.#changed(feature, (bits, mask) => bits | mask);
	}

	/** The same but `feature`. */
	without(feature: Feature): Features {
		return this.#changed(feature, (bits, mask) => bits & ~mask);
	}

	#changed(feature: Feature, change: (bits: number, mask: number) => number): Features {
		const maskIn = (table: {readonly [name: string]: number}) => table[feature] ?? 0;
		return new Features(
			change(this.compat, maskIn(compatFeatures)) >>> 0,
			change(this.incompat, maskIn(incompatFeatures)) >>> 0,
			change(this.roCompat, maskIn(roCompatFeatures)) >>> 0,
		);
	}

	names(): string[] {
		return [...this.#names];
	}

	/** Throws `UnsupportedError`, naming the features that forbid writing. */
	assertWritable(): void {
		const writable: readonly string[] = writableRoCompat;
		const unwritable = namesOf(this.roCompat, roCompatFeatures, 'R').filter(
			name => !writable.includes(name),
		);
		const first = unwritable[0];
		if (first !== undefined) {
			throw new UnsupportedError(
				'EXT4_UNSUPPORTED_FOR_WRITING',
				first,
				`the image uses ${unwritable.join(', ')}, with which ext4box only reads`,
			);
		}
	}

	/** Throws `UnsupportedError`, naming the first feature that reading can't do without. */
	assertReadable(): void {
		if (this.has('journal_dev')) {
			throw new UnsupportedError(
				'EXT4_UNSUPPORTED_JOURNAL_DEVICE',
				'journal_dev',
				'this is the external journal of another file system (journal_dev) and holds no files',
			);
		}
		const readable: readonly string[] = readableIncompat;
		const unreadable = namesOf(this.incompat, incompatFeatures, 'I').filter(
			name => !readable.includes(name),
		);
		const first = unreadable[0];
		if (first !== undefined) {
			throw new UnsupportedError(
				'EXT4_UNSUPPORTED_FEATURE',
				first,
				`the image uses ${unreadable.join(', ')}, which ext4box does not read`,
			);
		}
	}
}
