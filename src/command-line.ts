/** The command line of one command: its options and arguments, and what is wrong with them. */
import {type ParseArgsConfig, parseArgs} from 'node:util';
import {UsageError} from './cli-error.ts';

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

/** `--partition` and `--offset` as the mount options that mean the same. Throws `UsageError`. */
export function placeOptions(values: {
	readonly partition?: string | undefined;
	readonly offset?: string | undefined;
}): string[] {
	return [
		...(values.partition === undefined
			? []
			: [`partition=${parseCount(values.partition, '--partition')}`]),
		...(values.offset === undefined ? [] : [`offset=${parseBytes(values.offset, '--offset')}`]),
	];
}
