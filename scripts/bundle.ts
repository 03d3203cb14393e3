/**
 * Lays the program's modules together: `dist/src/server-main.js` is the whole server in one file, and
 * the rest shares what it has in common. As two hundred files a start took 90 ms of CPU more.
 */
import {rmSync} from 'node:fs';
import {basename, join} from 'node:path';
import {type BuildOptions, build} from 'esbuild';

const root = join(import.meta.dirname, '..');
const target = join(root, 'dist/src');

/** Each is run by name, as a program or as a thread; all lie in one folder (src/program-files.ts). */
const programs = ['cli', 'status-probe', 'check/engine-thread', 'check/scan-thread'];

function entries(names: readonly string[]): {[name: string]: string} {
	return Object.fromEntries(names.map(name => [basename(name), join(root, 'src', `${name}.ts`)]));
}

const common = {
	outdir: target,
	bundle: true,
	platform: 'node',
	format: 'esm',
	// The oldest that package.json's engines allow.
	target: 'node24.12',
	// Finds its native part from where it lies.
	external: ['koffi'],
	logLevel: 'warning',
} as const satisfies BuildOptions;

// Pieces that are shared bear their content's hash: those of an earlier build would stay.
rmSync(target, {recursive: true, force: true});
await build({...common, entryPoints: entries(['server-main'])});
await build({
	...common,
	entryPoints: entries(programs),
	splitting: true,
	chunkNames: 'shared-[name]-[hash]',
});
