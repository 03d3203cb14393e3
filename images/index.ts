/** Where bytes come from: what other rooms may import. */
export {AlignedDevice} from './aligned.ts';
export {type ImageCode, ImageError, printable, sizeText} from './errors.ts';
export {type Guess, identify} from './identify.ts';
export {type OpenedImage, type OpenOptions, openImage, openImageOn} from './open.ts';
export {
	type DamagedTable,
	type Partition,
	type PartitionTable,
	readPartitionTable,
	windowOf,
} from './partitions.ts';
export {
	type DescriptorOptions,
	type Discard,
	openFailure,
	openRaw,
	RawDevice,
} from './raw.ts';
export {Window} from './window.ts';
