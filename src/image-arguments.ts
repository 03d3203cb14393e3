/** What the commands that look into an image have in common: their arguments, and opening it. */
import {type ParseArgsConfig, parseArgs} from 'node:util';
import {Volume} from '../ext4/index.ts';
import {nodeHashes} from '../images/hashes.ts';
import {type OpenedImage, openImage} from '../images/index.ts';
import {argumentBytes} from './argument-bytes.ts';
import {UsageError} from './cli-error.ts';
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

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<
	typeof parseArgs<{args: string[]; options: T; allowPositionals: true; strict: true}>
>;

/**
 * Parses a command's arguments. `names` are what its positional arguments are called; those in
 * brackets may be missing, and one that ends in … may be repeated. Throws `UsageError`.
 */
export function parseCommand<const T extends Options>(
	command: string,
	args: string[],
	options: T,
	names: readonly string[],
): Parsed<T> {
	const see = `see "ext4box help ${command}"`;
	let parsed: Parsed<T>;
	try {
		parsed = parseArgs({args, options, allowPositionals: true, strict: true});
	} catch (error) {
		const isOurs = error instanceof TypeError && 'code' in error;
		if (!isOurs || !String(error.code).startsWith('ERR_PARSE_ARGS_')) throw error;
		const [sentence = ''] = error.message.split(/\. |\.$|\n/);
		throw new UsageError(`${sentence}; ${see}`);
	}
	const count = parsed.positionals.length;
	const missing = names.find((name, index) => index >= count && !name.startsWith('['));
	if (missing !== undefined) throw new UsageError(`${missing.replace('…', '')} is missing; ${see}`);
	const isEndless = names.some(name => name.replace(']', '').endsWith('…'));
	if (count > names.length && !isEndless) {
		throw new UsageError(`"${parsed.positionals[names.length]}" is one argument too many; ${see}`);
	}
	return parsed;
}

const multipliers: {readonly [suffix: string]: number} = {
	'': 1,
	s: 512,
	K: 2 ** 10,
	M: 2 ** 20,
	G: 2 ** 30,
	T: 2 ** 40,
};

/** A number of bytes as `--offset` takes it. Throws `UsageError`. */
export function parseBytes(text: string, what: string): number {
	const match = /^(0x[0-9a-f]+|[0-9]+)([sKMGT]?)$/i.exec(text);
	const suffix = match?.[2] ?? '';
	const multiplier = multipliers[suffix] ?? multipliers[suffix.toUpperCase()];
	const bytes = match === null ? Number.NaN : Number(match[1]) * (multiplier ?? Number.NaN);
	if (!Number.isSafeInteger(bytes)) {
		throw new UsageError(`${what} wants a number of bytes such as 1048576 or 1M, not "${text}"`);
	}
	return bytes;
}

/** A number from 1. Throws `UsageError`. */
export function parseCount(text: string, what: string): number {
	const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
	if (!Number.isSafeInteger(value) || value < 1) {
		throw new UsageError(`${what} wants a number from 1, not "${text}"`);
	}
	return value;
}

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
