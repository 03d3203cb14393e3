/** The combinations of features that are simulated. */
import {mke2fs} from '../support/made-volume.ts';

export type FeatureSet = {
	readonly name: string;
	/** Options of mke2fs. */
	readonly options: readonly string[];
	/** As mke2fs takes it. */
	readonly size: string;
	/** The root folds names, and so does every directory below it. */
	readonly isCasefolded?: boolean;
	/** The longest file that the map reaches, in bytes, where that is not much. */
	readonly sizeBytesMax?: number;
};

const ext4 = ['-t', 'ext4'];

export const featureSets: readonly FeatureSet[] = [
	{name: 'ext4-4k', options: [...ext4, '-b', '4096'], size: '24M'},
	{name: 'ext4-1k', options: [...ext4, '-b', '1024'], size: '20M'},
	{name: 'ext4-2k', options: [...ext4, '-b', '2048', '-g', '2048'], size: '24M'},
	{name: 'ext4-64k', options: [...ext4, '-b', '65536', '-N', '1024'], size: '112M'},
	{name: 'ext2', options: ['-t', 'ext2', '-b', '1024'], size: '16M', sizeBytesMax: 2 ** 34},
	{
		name: 'ext2-rev0',
		options: ['-t', 'ext2', '-r', '0', '-b', '1024'],
		size: '16M',
		sizeBytesMax: 2 ** 31 - 1,
	},
	{name: 'ext3', options: ['-t', 'ext3', '-b', '4096'], size: '24M'},
	{name: 'ext3-inode128-1k', options: ['-t', 'ext3', '-b', '1024', '-I', '128'], size: '16M'},
	{
		name: 'bigalloc-1k-16k',
		options: [...ext4, '-b', '1024', '-C', '16384', '-O', 'bigalloc', '-N', '1024'],
		size: '64M',
	},
	{
		name: 'bigalloc-4k-64k',
		options: [...ext4, '-b', '4096', '-C', '65536', '-O', 'bigalloc', '-N', '1024'],
		size: '80M',
	},
	{name: 'inline', options: [...ext4, '-b', '1024', '-O', 'inline_data'], size: '20M'},
	{
		name: 'inline-inode1024',
		options: [...ext4, '-b', '4096', '-O', 'inline_data', '-I', '1024', '-N', '2048'],
		size: '24M',
	},
	{name: 'ea-inode', options: [...ext4, '-b', '4096', '-O', 'ea_inode'], size: '32M'},
	{
		name: 'ea-inode-inline-1k',
		options: [...ext4, '-b', '1024', '-O', 'ea_inode,inline_data'],
		size: '24M',
	},
	{
		name: 'casefold',
		options: [...ext4, '-b', '1024', '-O', 'casefold', '-E', 'encoding=utf8'],
		size: '20M',
		isCasefolded: true,
	},
	{
		name: 'casefold-inline',
		options: [...ext4, '-b', '4096', '-O', 'casefold,inline_data', '-E', 'encoding=utf8'],
		size: '24M',
		isCasefolded: true,
	},
	{
		name: 'quota',
		options: [
			...ext4,
			'-b',
			'1024',
			'-O',
			'quota,project',
			'-E',
			'quotatype=usrquota:grpquota:prjquota',
		],
		size: '20M',
	},
	{
		name: 'quota-bigalloc-ea',
		options: [
			...[...ext4, '-b', '4096', '-C', '16384', '-O', 'quota,project,bigalloc,ea_inode'],
			...['-E', 'quotatype=usrquota:grpquota:prjquota', '-N', '1024'],
		],
		size: '96M',
	},
	{name: 'no-journal', options: [...ext4, '-b', '1024', '-O', '^has_journal'], size: '16M'},
	{
		name: 'meta-bg',
		options: [...ext4, '-b', '1024', '-g', '1024', '-O', 'meta_bg,^resize_inode', '-N', '2048'],
		size: '20M',
	},
	{
		name: 'no-extent',
		options: [...ext4, '-b', '1024', '-O', '^extent,^64bit'],
		size: '20M',
		sizeBytesMax: 2 ** 34,
	},
	{name: 'large-dir', options: [...ext4, '-b', '1024', '-O', 'large_dir'], size: '20M'},
	{name: 'no-64bit', options: [...ext4, '-b', '4096', '-O', '^64bit'], size: '24M'},
	{
		name: 'no-csum',
		options: [...ext4, '-b', '1024', '-O', '^metadata_csum,uninit_bg'],
		size: '20M',
	},
	{
		name: 'csum-seed',
		options: [...ext4, '-b', '1024', '-O', 'metadata_csum_seed,^flex_bg'],
		size: '20M',
	},
	{name: 'orphan-file', options: [...ext4, '-b', '1024', '-O', 'orphan_file'], size: '20M'},
	{name: 'inode128', options: [...ext4, '-b', '4096', '-I', '128'], size: '24M'},
	{name: 'no-dir-index', options: [...ext4, '-b', '1024', '-O', '^dir_index'], size: '20M'},
	{name: 'no-filetype', options: ['-t', 'ext3', '-b', '1024', '-O', '^filetype'], size: '20M'},
	{name: 'small', options: [...ext4, '-b', '1024', '-N', '200'], size: '3M'},
];

/** An image without its zeros: thirty of them whole would take a gigabyte. */
type PackedImage = {
	readonly sizeBytes: number;
	readonly pieces: readonly {readonly position: number; readonly bytes: Uint8Array}[];
};

const pieceBytes = 4096;
const images = new Map<string, PackedImage>();

function pack(image: Uint8Array): PackedImage {
	const zeros = Buffer.alloc(pieceBytes);
	const pieces: {position: number; bytes: Uint8Array}[] = [];
	for (let position = 0; position < image.length; position += pieceBytes) {
		const bytes = image.subarray(position, position + pieceBytes);
		if (zeros.compare(bytes) !== 0) pieces.push({position, bytes: bytes.slice()});
	}
	return {sizeBytes: image.length, pieces};
}

/** A new copy of the empty file system; mke2fs makes each only once. */
export function imageOf(features: FeatureSet): Uint8Array {
	let packed = images.get(features.name);
	if (packed === undefined) {
		packed = pack(mke2fs(features.options, features.size));
		images.set(features.name, packed);
	}
	const image = new Uint8Array(packed.sizeBytes);
	for (const {position, bytes} of packed.pieces) image.set(bytes, position);
	return image;
}

export function featureSetNamed(name: string): FeatureSet {
	const found = featureSets.find(features => features.name === name);
	if (found === undefined) {
		const known = featureSets.map(features => features.name).join(', ');
		throw new Error(`no features are called ${name}; there are ${known}`);
	}
	return found;
}
