/** Images that are too large to be committed; tests that need them skip themselves, saying so. */
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';

/** The folder of shared test material: $EXT4BOX_SHARED, or `../shared` beside the checkout. */
export const sharedFolder =
	process.env['EXT4BOX_SHARED'] ?? join(import.meta.dirname, '../../../shared');

export type CorpusEntry = {
	readonly name: string;
	readonly file: string;
	readonly size: number;
	readonly verdict: string;
	readonly features: readonly string[];
	readonly replay?: {
		readonly e2fsckExit: number;
		readonly changedBlockCount: number;
		readonly changedBlocks: readonly (readonly [block: number, sha256Prefix: string])[];
	};
};

const corpusFolder = join(sharedFolder, 'corpus/e2fsck');

/** The corpus of e2fsprogs' own regression images; undefined where it is not at hand. */
export function readCorpus(): readonly CorpusEntry[] | undefined {
	const manifest = join(corpusFolder, 'manifest.json');
	if (!existsSync(manifest)) return undefined;
	return JSON.parse(readFileSync(manifest, 'utf8')) as CorpusEntry[];
}

export function readCorpusImage(entry: CorpusEntry): Uint8Array {
	return gunzipSync(readFileSync(join(corpusFolder, entry.file)));
}
