/** The base images that are mutated; `make-bases.ts` made them. */
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';

const folder = join(import.meta.dirname, 'bases');
const ending = '.img.gz';

export type Base = {readonly name: string; readonly bytes: Uint8Array};

export function loadBases(): Base[] {
	return readdirSync(folder)
		.filter(name => name.endsWith(ending))
		.sort()
		.map(name => ({
			name: name.slice(0, -ending.length),
			bytes: new Uint8Array(gunzipSync(readFileSync(join(folder, name)))),
		}));
}
