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
		const whole = withNegativeNumbers(args, options);
		parsed = parseArgs({args: whole, options, allowPositionals: true, strict: true});
	} catch (error) {
		const isOurs = error instanceof TypeError && 'code' in error;
		if (!isOurs || !String(error.code).startsWith('ERR_PARSE_ARGS_')) throw error;
		throw new UsageError(`${sentenceOf(args, options, error)}; ${see}`);
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

type OptionToken = {
	readonly index: number;
	readonly name: string;
	readonly rawName: string;
	/** Undefined: none. */
	readonly value: string | undefined;
	/** Given in the option's own argument, as by `--offset=1`. */
	readonly isInline: boolean;
};

function optionsIn(args: readonly string[], options: Options): OptionToken[] {
	const {tokens} = parseArgs({args, options, strict: false, allowPositionals: true, tokens: true});
	return tokens.flatMap(token =>
		token.kind === 'option' ? [{...token, isInline: token.inlineValue === true}] : [],
	);
}

/**
 * `--offset -1` as `--offset=-1`: Node takes every value with a dash for an option, but none of ours is
 * a digit, and who asks for a number says best what is wrong with this one.
 */
function withNegativeNumbers(args: readonly string[], options: Options): string[] {
	const found = optionsIn(args, options).filter(
		({value, isInline}) => !isInline && value !== undefined && /^-[0-9]/.test(value),
	);
	const joints = new Map(
		found.map(({index, rawName}) => [index, rawName.startsWith('--') ? '=' : '']),
	);
	return args.flatMap((arg, index) => {
		if (joints.has(index - 1)) return [];
		const joint = joints.get(index);
		return joint === undefined ? [arg] : [`${arg}${joint}${args[index + 1]}`];
	});
}

/** What Node's parser says, without its advice, and beginning as all messages do: small. */
export function parserSentence({message}: Error): string {
	const [first = ''] = message.split(/\. |\.$|\n/);
	return first.charAt(0).toLowerCase() + first.slice(1);
}

/** What is wrong with the arguments, for which Node has more than one line. */
function sentenceOf(args: readonly string[], options: Options, error: Error): string {
	const wanting = optionsIn(args, options).find(
		({name, value, isInline}) =>
			options[name]?.type === 'string' &&
			(value === undefined || (!isInline && value.startsWith('-') && value !== '-')),
	);
	if (wanting === undefined || !('code' in error) || error.code !== badValue) {
		return parserSentence(error);
	}
	const {rawName, value} = wanting;
	if (value === undefined) return `${rawName} wants a value`;
	const joined = rawName.startsWith('--') ? `${rawName}=${value}` : `${rawName}${value}`;
	return `${rawName} wants a value, and "${value}" looks like an option: if it is none, write "${joined}"`;
}

const badValue = 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE';

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
