/** `ext4box ls`: lists directories. */
import {
	type CorruptError,
	type Inode,
	isExpectedError,
	readSymlink,
	type Volume,
} from '../../ext4/index.ts';
import {argumentBytes} from '../argument-bytes.ts';
import {parseCommand} from '../command-line.ts';
import {about, describeFailure} from '../failure.ts';
import {isoTime, minuteTime, modeText} from '../format.ts';
import {imageOptions, imageOptionsHelp, withVolume} from '../image-arguments.ts';
import {log} from '../log.ts';
import {
	formatTable,
	jsonBytes,
	outputIsTerminal,
	print,
	printBytes,
	printJsonList,
	printName,
	quoteName,
} from '../output.ts';
import {
	depthMax,
	directoryMetTwice,
	entriesOf,
	type Found,
	findPath,
	InodeSet,
	inodeOf,
	joinPath,
} from '../paths.ts';

export const usage = `Usage: ext4box ls [OPTIONS] IMAGE [PATH]

Lists a directory in an ext2, ext3 or ext4 image (its root without PATH), sorted by the bytes of
the names. PATH may also be <N>, the inode of that number. On a terminal, names that could confuse
it are quoted as a shell takes them; elsewhere they are printed as they are.

Options:
  -l, --long        mode, links, owner, group, size, time and target as well; ids are numbers
  -a, --all         names that start with a dot, too
  -R, --recursive   directories below, too
  -i, --inode       the inode numbers first
  --json            one element an entry; see docs/cli.md
${imageOptionsHelp}
Examples:
  ext4box ls -l disk.img /etc
  ext4box ls -aR --json disk.img | jq -r '.[] | select(.size > 1e9) | .path'
`;

const options = {
	...imageOptions,
	long: {type: 'boolean', short: 'l'},
	all: {type: 'boolean', short: 'a'},
	recursive: {type: 'boolean', short: 'R'},
	inode: {type: 'boolean', short: 'i'},
	json: {type: 'boolean'},
} as const;

type Values = ReturnType<typeof parseCommand<typeof options>>['values'];

/** A name in a listing. `inode` is undefined where it can't be read, which was told. */
type Item = {
	readonly name: Uint8Array;
	readonly path: Uint8Array;
	readonly number: number;
	readonly inode: Inode | undefined;
	readonly target: Uint8Array | undefined;
};

type Directory = {readonly path: Uint8Array; readonly inode: Inode; readonly depth: number};

export async function run(args: string[]): Promise<number> {
	const {values, positionals} = parseCommand('ls', args, options, ['IMAGE', '[PATH]']);
	const [imagePath = '', path = '/'] = positionals;
	return await withVolume(imagePath, values, ({volume}) => {
		return about(`${imagePath}: ${path}`, () => {
			// As ls(1): a link to a directory is followed, unless the link itself is of interest.
			const found = findPath(volume, argumentBytes(path), values.long !== true);
			const listing = new Listing(volume, values, imagePath);
			listing.print(found);
			return listing.hasFailed ? 1 : 0;
		});
	});
}

class Listing {
	readonly #volume: Volume;
	readonly #values: Values;
	readonly #imagePath: string;
	readonly #met = new InodeSet();
	hasFailed = false;

	constructor(volume: Volume, values: Values, imagePath: string) {
		this.#volume = volume;
		this.#values = values;
		this.#imagePath = imagePath;
	}

	print(found: Found): void {
		const isDirectory = found.inode.type === 'directory';
		if (this.#values.json === true) {
			printJsonList(isDirectory ? this.#factsBelow(found) : [this.#factsOf(this.#single(found))]);
		} else if (!isDirectory) {
			this.#printItems([this.#single(found)]);
		} else {
			this.#printBelow(found);
		}
	}

	#fail(path: Uint8Array, error: unknown): void {
		if (!isExpectedError(error)) throw error;
		this.hasFailed = true;
		log.error(`${this.#imagePath}: ${quoteName(path)}: ${describeFailure(error)}`);
	}

	#single(found: Found): Item {
		const {inode, path} = found;
		return {name: path, path, number: inode.number, inode, target: this.#targetOf(path, inode)};
	}

	#targetOf(path: Uint8Array, inode: Inode): Uint8Array | undefined {
		if (inode.type !== 'symlink') return undefined;
		try {
			return readSymlink(this.#volume, inode);
		} catch (error) {
			this.#fail(path, error);
			return undefined;
		}
	}

	/** `.` and `..` are left to who wants them: they say nothing of their own. */
	#itemsOf(directory: Directory): Item[] {
		const report = (error: CorruptError) => this.#fail(directory.path, error);
		const entries = [...entriesOf(this.#volume, directory.inode, report)]
			.filter(({name}) => this.#values.all === true || name[0] !== 0x2e)
			.sort((a, b) => Buffer.compare(a.name, b.name));
		return entries.map(entry => {
			const path = joinPath(directory.path, entry.name);
			const bare = {name: entry.name, path, number: entry.inode, target: undefined};
			if (!this.#needsInodes()) return {...bare, inode: undefined};
			try {
				const inode = inodeOf(this.#volume, entry);
				return {...bare, inode, target: this.#targetOf(path, inode)};
			} catch (error) {
				this.#fail(path, error);
				return {...bare, inode: undefined};
			}
		});
	}

	/** A plain listing asks for nothing but names, and so works where inodes are damaged. */
	#needsInodes(): boolean {
		const {long, recursive, json} = this.#values;
		return long === true || recursive === true || json === true;
	}

	/** The directories to list, each with its items: one, or all below. Depth first, in order. */
	*#directoriesBelow(found: Found): Generator<{directory: Directory; items: readonly Item[]}> {
		const left: Directory[] = [{path: found.path, inode: found.inode, depth: 0}];
		this.#met.add(found.inode.number);
		for (let directory = left.pop(); directory !== undefined; directory = left.pop()) {
			const items = this.#itemsOf(directory);
			yield {directory, items};
			if (this.#values.recursive !== true) return;
			for (const {path, inode} of items.toReversed()) {
				if (inode?.type !== 'directory') continue;
				if (!this.#met.add(inode.number)) this.#fail(path, directoryMetTwice(inode.number));
				else if (directory.depth < depthMax) left.push({path, inode, depth: directory.depth + 1});
				else log.warn(`${quoteName(path)}: deeper than ${depthMax} directories, not listed`);
			}
		}
	}

	#printBelow(found: Found): void {
		let isFirst = true;
		for (const {directory, items} of this.#directoriesBelow(found)) {
			if (this.#values.recursive === true) {
				if (!isFirst) print('\n');
				printName(directory.path);
				print(':\n');
			}
			isFirst = false;
			this.#printItems(items);
		}
	}

	#printItems(items: readonly Item[]): void {
		const heads = this.#values.long === true ? longHeads(items) : items.map(() => '');
		const width = items.reduce((most, {number}) => Math.max(most, String(number).length), 0);
		for (const [index, item] of items.entries()) {
			if (this.#values.inode === true) print(`${String(item.number).padStart(width)} `);
			print(heads[index] ?? '');
			printName(item.name);
			if (this.#values.long === true && item.target !== undefined) {
				print(' -> ');
				if (outputIsTerminal()) print(quoteName(item.target));
				else printBytes(item.target);
			}
			print('\n');
		}
	}

	*#factsBelow(found: Found): Generator<unknown> {
		for (const {items} of this.#directoriesBelow(found)) {
			for (const item of items) yield this.#factsOf(item);
		}
	}

	#factsOf({path, name, number, inode, target}: Item): unknown {
		const names = {...jsonBytes('path', path), ...jsonBytes('name', name), inode: number};
		if (inode === undefined) return {...names, type: null};
		return {
			...names,
			type: inode.type,
			mode: (inode.mode & 0o7777).toString(8).padStart(4, '0'),
			links: inode.linkCount,
			uid: inode.uid,
			gid: inode.gid,
			size: inode.sizeBytes,
			modified: isoTime(inode.modificationTime),
			...(inode.device === undefined ? {} : {device: inode.device}),
			...(target === undefined ? {} : jsonBytes('target', target)),
		};
	}
}

/** What stands before the names, one line an item, ending in a space. */
function longHeads(items: readonly Item[]): string[] {
	const rows = items.map(({inode}) => {
		if (inode === undefined) return ['?---------', '?', '?', '?', '?', '?'];
		const {device} = inode;
		return [
			modeText(inode),
			String(inode.linkCount),
			String(inode.uid),
			String(inode.gid),
			device === undefined ? String(inode.sizeBytes) : `${device.major}, ${device.minor}`,
			minuteTime(inode.modificationTime),
		];
	});
	const table = formatTable(rows, ['left', 'right', 'right', 'right', 'right', 'left'], ' ');
	return table
		.split('\n')
		.slice(0, -1)
		.map(line => `${line} `);
}
