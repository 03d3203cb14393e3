/** What the commands that look into an image have in common: their arguments, and opening it. */
import {Volume} from '../ext4/index.ts';
import {nodeHashes} from '../images/hashes.ts';
import {type OpenedImage, openImage} from '../images/index.ts';
import {argumentBytes} from './argument-bytes.ts';
import {UsageError} from './cli-error.ts';
import {parseBytes, parseCount} from './command-line.ts';
import {about} from './failure.ts';
import {log} from './log.ts';

/** To be spread into a command's options. */
export const imageOptions = {
	offset: {type: 'string'},
	partition: {type: 'string'},
	norecovery: {type: 'boolean'},
} as const;

/** For the help texts. */
export const imageOptionsHelp = `  --partition N     the file system is in this partition (found by itself where only one is ext)
  --offset BYTES    the file system starts here; 0x… for hexadecimal, with K, M, G or T for powers
                    of 1024, with s for sectors of 512 bytes
  --norecovery      show what is on disk, not what it is after the journal is replayed (in memory)
`;

export type ImageValues = {
	readonly offset?: string | undefined;
	readonly partition?: string | undefined;
	readonly norecovery?: boolean | undefined;
};

/** Which part of an image the arguments name. Throws `UsageError`. */
export function placeOf(values: ImageValues): {
	offsetBytes: number | undefined;
	partition: number | undefined;
} {
	if (values.offset !== undefined && values.partition !== undefined) {
		throw new UsageError('--offset and --partition exclude one another');
	}
	return {
		offsetBytes: values.offset === undefined ? undefined : parseBytes(values.offset, '--offset'),
		partition:
			values.partition === undefined ? undefined : parseCount(values.partition, '--partition'),
	};
}

export type OpenedVolume = {readonly volume: Volume; readonly image: OpenedImage};

/**
 * Opens the image that the arguments name and runs `action` with it; whatever fails is told to be
 * about that image.
 */
export function withVolume<T>(
	imagePath: string,
	values: ImageValues,
	action: (opened: OpenedVolume) => T | Promise<T>,
): Promise<T> {
	const where = placeOf(values);
	return about(imagePath, async () => {
		using image = openImage(argumentBytes(imagePath), where);
		for (const problem of image.problems) log.warn(`${imagePath}: ${problem}`);
		const journal = values.norecovery === true ? 'ignore' : 'replay';
		const volume = Volume.open(image.device, {journal, hashes: nodeHashes});
		return await action({volume, image});
	});
}
