/**
 * The work image: a tree of small files as source code has them, and one large file. Written by
 * the kernel's ext4, so that directories are spread and hashed as on a disk in use; made once and
 * kept, for as long as it is asked for with the same parameters.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {readCommand, runToCleanUp, timeCommand} from './command.ts';

export type ImageParameters = {
	/** Counts the changes of this file that change what the image holds. */
	readonly recipe: 1;
	readonly files: number;
	readonly directories: number;
	readonly largeFileBytes: number;
};

export const fullImage: ImageParameters = {
	recipe: 1,
	files: 20_000,
	directories: 1000,
	largeFileBytes: 1024 ** 3,
};
export const quickImage: ImageParameters = {
	recipe: 1,
	files: 2000,
	directories: 100,
	largeFileBytes: 128 * 1024 ** 2,
};

/** What the work image holds, by paths from its root. */
export const treeName = 'tree';
export const largeFileName = 'large.bin';
/** The directories right below the tree; every other directory lies in one of them. */
export const branchNames = Array.from({length: 20}, (_, index) => `branch-${index}`);

/** A phrase that no file of the tree contains. */
export const absentPhrase = 'this phrase occurs nowhere';

const smallFileBytesMax = 512 * 1024;
const textPoolBytes = 4 * 1024 ** 2;
const largeChunkBytes = 4 * 1024 ** 2;

/**
 * Makes the image at `file`, or leaves the one there if it was made with the same parameters (they
 * lie beside it in a .json). Returns the image's features, as dumpe2fs lists them.
 */
export async function prepareImage(
	file: string,
	parameters: ImageParameters,
	runDirectory: string,
): Promise<string> {
	const recordFile = `${file}.json`;
	const record = JSON.stringify(parameters);
	const isThere =
		fs.existsSync(file) &&
		fs.existsSync(recordFile) &&
		fs.readFileSync(recordFile, 'utf8') === record;
	if (!isThere) {
		process.stderr.write(`bench: making the work image ${file}\n`);
		fs.rmSync(recordFile, {force: true});
		await makeImage(file, parameters, path.join(runDirectory, 'making'));
		fs.writeFileSync(recordFile, record);
	}
	return readFeatures(file);
}

async function makeImage(file: string, parameters: ImageParameters, directory: string) {
	// Room for the small files (12 KiB and a block's tail each, on average), the journal, tables.
	const bytes = parameters.largeFileBytes * 1.25 + parameters.files * 24 * 1024 + 192 * 1024 ** 2;
	await makeEmptyImage(file, bytes);
	fs.mkdirSync(directory, {recursive: true});
	await timeCommand({program: 'mount', args: ['-o', 'loop', file, directory]});
	try {
		await writeTree(path.join(directory, treeName), parameters);
		await writeLargeFile(path.join(directory, largeFileName), parameters.largeFileBytes);
	} finally {
		if (!runToCleanUp('umount', [directory])) runToCleanUp('umount', ['-l', directory]);
	}
	await timeCommand({program: 'sync', args: [file]});
}

/** An ext4 of at least so many bytes, with mkfs.ext4's defaults, in a sparse file. */
export async function makeEmptyImage(file: string, bytes: number) {
	fs.rmSync(file, {force: true});
	fs.closeSync(fs.openSync(file, 'w'));
	fs.truncateSync(file, Math.ceil(bytes / 1024 ** 2) * 1024 ** 2);
	// Nothing left for the kernel to initialise in the background while others are measured.
	const extended = 'lazy_itable_init=0,lazy_journal_init=0';
	await timeCommand({
		program: 'mkfs.ext4',
		args: ['-q', '-F', '-b', '4096', '-E', extended, file],
	});
}

/** Fills `tree` with files as source code has them; the same ones each time. */
export async function writeTree(
	tree: string,
	parameters: Pick<ImageParameters, 'files' | 'directories'>,
) {
	const random = randomFrom(20_26);
	const text = makeText(random);
	const directories = makeDirectories(tree, parameters.directories, random);
	for (let index = 0; index < parameters.files; index++) {
		// Each directory has a file; beyond that some have many and most have few.
		const skewed = Math.floor(random() ** 1.6 * directories.length);
		const directory = directories[index] ?? directories[skewed] ?? tree;
		const length = smallFileSize(random);
		const start = Math.floor(random() * (text.length - length));
		const name = `${wordAt(random)}_${wordAt(random)}_${index}.c`;
		fs.writeFileSync(path.join(directory, name), text.subarray(start, start + length));
		// Signals are heard between files.
		if (index % 1000 === 0) await new Promise(resolve => setImmediate(resolve));
	}
}

/** Most of a source tree's files have some kilobytes and a few have hundreds: log-normal. */
function smallFileSize(random: () => number): number {
	const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
	return Math.min(smallFileBytesMax, Math.floor(4500 * Math.exp(1.4 * normal)));
}

function makeDirectories(tree: string, count: number, random: () => number): string[] {
	const directories = branchNames.map(name => path.join(tree, name)).slice(0, count);
	while (directories.length < count) {
		const parent = directories[Math.floor(random() * directories.length)] ?? tree;
		directories.push(path.join(parent, `${wordAt(random)}-${directories.length}`));
	}
	for (const directory of directories) fs.mkdirSync(directory, {recursive: true});
	return directories;
}

async function writeLargeFile(file: string, bytes: number) {
	const random = randomFrom(1);
	const chunk = new Uint32Array(largeChunkBytes / 4).map(() => random() * 2 ** 32);
	const descriptor = fs.openSync(file, 'w');
	try {
		for (let position = 0; position < bytes; position += largeChunkBytes) {
			chunk[0] = position / largeChunkBytes;
			fs.writeSync(descriptor, chunk, 0, Math.min(largeChunkBytes, bytes - position));
			await new Promise(resolve => setImmediate(resolve));
		}
	} finally {
		fs.closeSync(descriptor);
	}
}

function makeText(random: () => number): Buffer {
	let text = '';
	while (text.length < textPoolBytes) {
		let line = '\t'.repeat(Math.floor(random() * 4));
		while (line.length < 60) line += `${wordAt(random)} `;
		text += `${line}\n`;
	}
	return Buffer.from(text);
}

const syllables = [
	'in',
	'ode',
	'blk',
	'get',
	'ext',
	'map',
	'jou',
	'rnal',
	'dir',
	'ent',
	'lo',
	'ck',
];

function wordAt(random: () => number): string {
	let word = '';
	for (let left = 1 + Math.floor(random() * 3); left > 0; left--) {
		word += syllables[Math.floor(random() * syllables.length)] ?? '';
	}
	return word;
}

/** mulberry32: the same image everywhere. */
function randomFrom(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

async function readFeatures(file: string): Promise<string> {
	const header = await readCommand({program: 'dumpe2fs', args: ['-h', file]});
	return /^Filesystem features:\s*(.*)$/m.exec(header)?.[1] ?? 'unknown';
}
