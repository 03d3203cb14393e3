/**
 * The reference images and what a kernel, or else debugfs, sees in them. They are made by
 * `shared/tools/make-images.sh`: either beforehand, into the folder $EXT4BOX_IMAGES, or now, into
 * `results/reference-images` of the checkout, where the next run finds them.
 */
import {spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {
	appendFileSync,
	closeSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	readSync,
	renameSync,
	rmSync,
} from 'node:fs';
import {join} from 'node:path';
import {sharedFolder} from '../support/corpus.ts';
import {hasDebugfs} from '../support/e2fsprogs.ts';
import type {Listing} from '../support/listing.ts';

const tools = join(sharedFolder, 'tools');
const makeImages = join(tools, 'make-images.sh');
export const listingProgram = join(tools, 'ref-listing.mjs');

/** A line of the manifest; the head of make-images.sh explains it. */
export type ReferenceImage = {
	readonly name: string;
	readonly img: string;
	readonly ref: string | null;
	readonly features: string;
	readonly blockSize: number;
	readonly listed: 'kernel' | 'debugfs' | null;
	readonly expect: 'clean' | 'replay' | 'orphans' | 'error';
};

/** All images, the big ones too: `npm run test:reference`. */
export const isComplete = process.env['EXT4BOX_REFERENCE'] === 'all';

const given = process.env['EXT4BOX_IMAGES'];
const folder = given ?? join(import.meta.dirname, '../../results/reference-images');

/** Why there are no reference images here; undefined where there are. */
export function whyNoImages(): string | undefined {
	if (given !== undefined) {
		return existsSync(join(given, 'manifest.ndjson')) ? undefined : `no manifest in ${given}`;
	}
	if (!existsSync(makeImages)) return 'no shared folder: see EXT4BOX_SHARED';
	return hasDebugfs ? undefined : 'e2fsprogs is not installed';
}

function readManifest(): ReferenceImage[] {
	const path = join(folder, 'manifest.ndjson');
	if (!existsSync(path)) return [];
	const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
	return lines.map(line => JSON.parse(line) as ReferenceImage);
}

const leftOut = new Map<string, string>();

/** What `findImages` was asked for and does not give, by name, and why: some images only root can make. */
export function imagesLeftOut(): ReadonlyMap<string, string> {
	return leftOut;
}

/** The images of these names, made where they are missing; without names all there can be. */
export function findImages(names: readonly string[] | undefined): ReferenceImage[] {
	const has = new Set(readManifest().map(image => image.name));
	const wanted = names ?? (given === undefined ? listNames() : []);
	const missing = wanted.filter(name => !has.has(name));
	if (given !== undefined) for (const name of missing) leftOut.set(name, `it is not in ${given}`);
	else if (missing.length > 0) make(missing);
	return readManifest().filter(image => names === undefined || names.includes(image.name));
}

function listNames(): string[] {
	const {stdout} = spawnSync('bash', [makeImages, '-l', '-b'], {encoding: 'utf8'});
	return stdout.split('\n').flatMap(line => /^([\w.-]+): mke2fs/.exec(line)?.[1] ?? []);
}

/** In a folder of its own first: what is interrupted leaves nothing that looks finished. */
function make(names: readonly string[]): void {
	mkdirSync(folder, {recursive: true});
	const scratch = mkdtempSync(`${folder}-`);
	try {
		const result = spawnSync('bash', [makeImages, '-b', '-o', scratch, ...names], {
			encoding: 'utf8',
			maxBuffer: 2 ** 28,
		});
		for (const [, name, reason] of result.stderr.matchAll(/^([\w.-]+): (.*), left out$/gm)) {
			if (name !== undefined && reason !== undefined) leftOut.set(name, reason);
		}
		const manifest = join(scratch, 'manifest.ndjson');
		if (!existsSync(manifest)) throw new Error(`make-images.sh: ${result.stderr}`);
		const lines = readFileSync(manifest);
		rmSync(manifest);
		for (const name of readdirSync(scratch)) renameSync(join(scratch, name), join(folder, name));
		appendFileSync(join(folder, 'manifest.ndjson'), lines);
	} finally {
		rmSync(scratch, {recursive: true, force: true});
	}
}

export function imagePath(image: ReferenceImage): string {
	return join(folder, image.img);
}

export function readReference(image: ReferenceImage): Listing | undefined {
	if (image.ref === null) return undefined;
	return JSON.parse(readFileSync(join(folder, image.ref), 'utf8')) as Listing;
}

export function hashFile(path: string): string {
	const hash = createHash('sha256');
	const chunk = new Uint8Array(1 << 22);
	const descriptor = openSync(path, 'r');
	try {
		for (let count = 1; count > 0; ) {
			count = readSync(descriptor, chunk, 0, chunk.length, null);
			hash.update(chunk.subarray(0, count));
		}
	} finally {
		closeSync(descriptor);
	}
	return hash.digest('hex');
}

/** What stands for all where there is no time for all: formats, block sizes, maps, directories, attributes, journals. */
export const oneOfEachKind: readonly string[] = [
	'ext2-1k',
	'ext2-rev0',
	'ext2-64k',
	'ext3-dirty-1k',
	'ext4-2k',
	'ext4-inode128',
	'ext4-noextent-no64bit-gdtcsum-1k',
	'ext4-csumseed',
	'ext4-smallgroups-metabg',
	'ext4-sparsesuper2-1',
	'ext4-uninitgroups',
	'ext4-bigalloc-1k-64k',
	'ext4-eainode-inline-1k',
	'ext4-hash-tea-unsigned',
	'ext4-casefold',
	'ext4-encrypt',
	'ext4-orphans-file',
	'ext4-dirty-datajournal',
	'ext4-dirty-fastcommit',
	'ext4-alltogether',
	'ext4-external-journal',
	'ext4-journal-device',
];
