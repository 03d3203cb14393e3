/** Where the program's own files lie: its sources, or what scripts/bundle.ts made of them. */
import {basename, join} from 'node:path';

/** False for the sources, which Node runs as they are. */
export const isBuilt = !import.meta.filename.endsWith('.ts');

/** `src`, or `dist/src`: this file lies in it, and so does whatever it becomes a part of. */
export const programFolder: string = import.meta.dirname;

/** What is run by name: the source's path from `src` without its extension. Built, all lie in one folder. */
export function programFile(name: string): string {
	return join(programFolder, isBuilt ? `${basename(name)}.js` : `${name}.ts`);
}
