/** `ext4box extract`: copies a tree out of an image. */
import type {Inode, Volume} from '../../ext4/index.ts';
import {sizeText} from '../../images/index.ts';
import {argumentBytes} from '../argument-bytes.ts';
import {CliError, UsageError} from '../cli-error.ts';
import {parseCommand} from '../command-line.ts';
import {Progress} from '../extract/progress.ts';
import {openTarget} from '../extract/target.ts';
import {Tree} from '../extract/tree.ts';
import {about, describeFailure} from '../failure.ts';
import {countOf} from '../format.ts';
import {imageOptions, imageOptionsHelp, withVolume} from '../image-arguments.ts';
import {log} from '../log.ts';
import {printJson, printLine, quoteName} from '../output.ts';
import {findPath} from '../paths.ts';
import {SystemError} from '../syscalls.ts';

export const usage = `Usage: ext4box extract [OPTIONS] IMAGE [PATH] -o DIR

Copies a tree out of an ext2, ext3 or ext4 image: what is in the directory PATH (without PATH, all)
into DIR, which is made if need be; a PATH that is a file becomes a file in DIR. Kept are modes,
times, hard and symbolic links, holes, and extended attributes and ACLs where DIR takes them. What
is left out is counted. Nothing outside DIR is written, whatever the image says.

A file that is damaged is told and left out, and the rest is extracted; the exit status is 1 then.

Options:
  -o, --output DIR  where to; must be new or empty
  --force           DIR may hold files already; those of the same name are replaced
  --owners          as root: owners, set-id bits, capabilities and devices, too. Only for images
                    that you trust
  --json            the counts at the end for programs; see docs/cli.md
${imageOptionsHelp}
Not kept: inode flags (chattr), project ids, times of creation and change.

Examples:
  ext4box extract disk.img -o out
  ext4box extract disk.img /home/anna/photos -o photos
  sudo ext4box extract --owners --partition 2 sdcard.img -o rootfs
`;

const options = {
	...imageOptions,
	output: {type: 'string', short: 'o'},
	force: {type: 'boolean'},
	owners: {type: 'boolean'},
	json: {type: 'boolean'},
} as const;

/** Ends the extraction where it can be ended in order. */
class Interrupted extends Error {}

export async function run(args: string[]): Promise<number> {
	const {values, positionals} = parseCommand('extract', args, options, ['IMAGE', '[PATH]']);
	const [imagePath = '', path = '/'] = positionals;
	const {output} = values;
	if (output === undefined) throw new UsageError('where to? -o DIR; see "ext4box help extract"');
	const isRoot = process.geteuid?.() === 0;
	if (values.owners === true && !isRoot) throw new CliError('--owners needs root');
	const wishes: Wishes = {
		imagePath,
		path,
		output,
		isRoot,
		force: values.force === true,
		keepsOwners: values.owners === true,
		isJson: values.json === true,
	};
	return await withVolume(imagePath, values, ({volume}) =>
		about(`${imagePath}: ${path}`, () => extract(volume, wishes)),
	);
}

type Wishes = {
	readonly imagePath: string;
	readonly path: string;
	readonly output: string;
	readonly isRoot: boolean;
	readonly force: boolean;
	readonly keepsOwners: boolean;
	readonly isJson: boolean;
};

const breathMs = 50;
const signalNumbers = {SIGINT: 2, SIGTERM: 15} as const;

/** Signals are seen between two breaths: the work itself is synchronous. */
class Breath {
	signal: keyof typeof signalNumbers | undefined;
	#last = performance.now();
	readonly #onBreath: () => void;
	readonly #listeners = {
		SIGINT: () => this.#interrupt('SIGINT'),
		SIGTERM: () => this.#interrupt('SIGTERM'),
	};

	constructor(onBreath: () => void) {
		this.#onBreath = onBreath;
		for (const signal of ['SIGINT', 'SIGTERM'] as const)
			process.once(signal, this.#listeners[signal]);
	}

	/** A second signal ends the program at once. */
	#interrupt(signal: keyof typeof signalNumbers): void {
		this.signal ??= signal;
		this.end();
	}

	take(): Promise<void> | undefined {
		const now = performance.now();
		if (now - this.#last < breathMs) return undefined;
		this.#last = now;
		this.#onBreath();
		return new Promise((resolve, reject) => {
			setImmediate(() => (this.signal === undefined ? resolve() : reject(new Interrupted())));
		});
	}

	end(): void {
		for (const signal of ['SIGINT', 'SIGTERM'] as const)
			process.off(signal, this.#listeners[signal]);
	}
}

const targetProblems: {readonly [code: string]: string} = {
	EEXIST: 'the target has something of this name already',
	EISDIR: 'the target has a directory of this name',
	EACCES: 'the target does not let you',
	EPERM: 'the target does not let you',
	EINVAL: 'the target takes no such name or time',
	ENAMETOOLONG: 'the name is too long for the target',
	EFBIG: 'the file is too large for the target',
	EMFILE: 'too many directories inside one another for the limit of open files (ulimit -n)',
};

/** The fault lies with the target, not with the image. */
function describeTarget(error: SystemError): string {
	return `${targetProblems[error.code] ?? error.message} [TARGET_${error.code}]`;
}

/** What there is to do in the whole volume, about. */
function expectedOf(volume: Volume, inode: Inode) {
	if (inode.number !== 2) return undefined;
	const {superblock, geometry} = volume;
	const usedBlocks = geometry.blockCount - superblock.freeBlockCount;
	return {
		items: Math.max(0, geometry.inodeCount - superblock.freeInodeCount),
		bytes: Math.max(0, usedBlocks * geometry.blockSize),
	};
}

async function extract(volume: Volume, wishes: Wishes): Promise<number> {
	const {inode, name, path} = findPath(volume, argumentBytes(wishes.path), false);
	const above = inode.type === 'directory' ? path : path.subarray(0, path.length - name.length);
	const {directory, isNew} = openTarget(argumentBytes(wishes.output), wishes.force, above);
	const progress = new Progress(expectedOf(volume, inode));
	const breath = new Breath(() => progress.update({items: tree.itemCount, bytes: tree.bytes}));
	const tree: Tree = new Tree(volume, {
		...wishes,
		breathe: () => breath.take(),
		report: (path, error) => {
			progress.clear();
			const problem = error instanceof SystemError ? describeTarget(error) : describeFailure(error);
			log.error(`${wishes.imagePath}: ${quoteName(path)}: ${problem}`);
		},
	});
	try {
		if (inode.type === 'directory') await tree.extractDirectory(inode, directory, isNew);
		else
			await tree.extractFile(
				inode,
				directory,
				name.length > 0 ? name : Buffer.from(`inode-${inode.number}`),
			);
	} catch (error) {
		if (!(error instanceof Interrupted)) throw error;
	} finally {
		breath.end();
		progress.clear();
		directory.close();
	}
	summarize(tree, wishes, breath.signal !== undefined);
	if (breath.signal !== undefined) return 128 + signalNumbers[breath.signal];
	return tree.counts.failures === 0 ? 0 : 1;
}

function summarize(tree: Tree, wishes: Wishes, isInterrupted: boolean): void {
	const {counts, leftOut, bytes} = tree;
	if (wishes.isJson) {
		printJson({...counts, bytesCopied: bytes, leftOut, isInterrupted});
	} else {
		const made = [
			countOf(counts.files, 'file'),
			counts.directories === 1 ? '1 directory' : `${counts.directories} directories`,
			countOf(counts.symlinks, 'symbolic link'),
			countOf(counts.hardLinks, 'hard link'),
			countOf(counts.special, 'special file'),
		].filter(text => !text.startsWith('0 '));
		const what = made.length === 0 ? 'nothing' : made.join(', ');
		printLine(
			`Extracted ${what} into ${quoteName(argumentBytes(wishes.output))}, ${sizeText(bytes)} copied.`,
		);
		if (!leftOut.isNothing) printLine(`Left out: ${leftOut}.`);
	}
	if (counts.failures > 0)
		log.error(`${countOf(counts.failures, 'problem')}: not all was extracted`);
	if (isInterrupted) {
		log.error(`interrupted: ${wishes.output} is incomplete; what is in it is whole`);
	}
}
