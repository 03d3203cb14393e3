/**
 * How mount(8) calls the helper of a file system: `mount.fuse.ext4box SOURCE DIR [-sfnv] [-N NS]
 * [-o OPTIONS] [-t TYPE]`, read into what `ext4box mount` takes. Pure.
 */
import {parseArgs} from 'node:util';
import {UsageError} from '../cli-error.ts';
import {parserSentence} from '../command-line.ts';

export type Call = {
	readonly source: string;
	readonly directory: string;
	/** As the values of `-o`. */
	readonly lists: readonly string[];
	/** `-f`: all but the mount itself. */
	readonly isFake: boolean;
	/** `-s`: unknown options are no fault. */
	readonly isSloppy: boolean;
	readonly isVerbose: boolean;
};

const see = 'see "mount.fuse.ext4box --help"';

/** Of fstab and of mount(8) itself; with a value or without. */
const wordsOfMount = new Set([
	...['user', 'users', 'nousers', 'owner', 'noowner', 'group', 'nogroup', 'comment'],
	...['helper', 'uhelper'],
]);

/** The kernel's own, of a mount that exists: mount(8) hands them on with a remount. */
const wordsOfKernel = new Set(['fd', 'rootmode', 'user_id', 'group_id', 'max_read', 'blksize']);

/** What is the mount's for good, and comes with a remount from the mount table. */
const fixedWords = new Set(['allow_other', 'default_permissions', 'suid', 'dev']);

/** Reads a call. Throws `UsageError`. */
export function parseCall(args: readonly string[]): Call {
	const {values, positionals} = parse(args);
	const [source, directory, more] = positionals;
	if (source === undefined || directory === undefined) {
		throw new UsageError(`${source === undefined ? 'SOURCE' : 'DIR'} is missing; ${see}`);
	}
	if (more !== undefined) throw new UsageError(`"${more}" is one argument too many; ${see}`);
	if (values.namespace !== undefined) {
		throw new UsageError('option -N: a mount in another namespace is to be made there');
	}
	const words = values.options.flatMap(splitWords);
	const isRemount = words.includes('remount');
	const kept = words.filter(word => isOurs(nameOf(word), isRemount));
	return {
		source,
		directory,
		// A type comes first, so that subtype= has the last word.
		lists: [...subtypeOf(values.type), ...kept],
		isFake: values.fake,
		isSloppy: values.sloppy,
		isVerbose: values.verbose,
	};
}

function parse(args: readonly string[]) {
	try {
		return parseArgs({
			args: [...args],
			options: {
				options: {type: 'string', short: 'o', multiple: true, default: []},
				type: {type: 'string', short: 't', default: 'fuse.ext4box'},
				namespace: {type: 'string', short: 'N'},
				fake: {type: 'boolean', short: 'f', default: false},
				sloppy: {type: 'boolean', short: 's', default: false},
				'no-mtab': {type: 'boolean', short: 'n', default: false},
				verbose: {type: 'boolean', short: 'v', default: false},
			},
			allowPositionals: true,
		});
	} catch (error) {
		const isParser = error instanceof TypeError && 'code' in error;
		if (!isParser) throw error;
		throw new UsageError(`${parserSentence(error)}; ${see}`);
	}
}

/** Between commas, as they stand; one behind a backslash belongs to the word. */
function splitWords(list: string): string[] {
	return list.match(/(?:\\.|[^,])+/gs) ?? [];
}

function nameOf(word: string): string {
	const equals = word.indexOf('=');
	return equals < 0 ? word : word.slice(0, equals);
}

function isOurs(name: string, isRemount: boolean): boolean {
	if (wordsOfMount.has(name) || /^x-/i.test(name)) return false;
	if (isRemount) return !wordsOfKernel.has(name) && !fixedWords.has(name);
	// mount(8) names it whether or not anybody asked for it: what can't be written is mounted ro.
	return name !== 'rw';
}

/** `fuse.ext4` is what `mount -t fuse.ext4` is to show. */
function subtypeOf(type: string): string[] {
	const subtype = /^fuse\.([a-z0-9]+)$/.exec(type)?.[1];
	if (subtype === undefined && type !== 'fuse') {
		throw new UsageError(`option -t: ${JSON.stringify(type)} is not fuse.ext4box`);
	}
	return subtype === undefined ? [] : [`subtype=${subtype}`];
}
