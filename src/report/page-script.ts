/**
 * The page's script: the modules in `page/` laid end to end, so that the page needs no other file.
 * They share one scope there; what two of them call the same would not parse, and the tests see it.
 */
import {readFileSync} from 'node:fs';
import module from 'node:module';
import {join} from 'node:path';
import {isBuilt, programFolder} from '../program-files.ts';

/** Each behind those that it imports. */
const modules = [
	'format',
	'unpacking',
	'disk',
	'elements',
	'map-view',
	'motion',
	'find-files',
	'search',
	'group-table',
	'file-panel',
	'main',
] as const;

/** From its source where the program runs from its own, else as the compiler left it. */
function readModule(name: string): string {
	const folder = join(programFolder, 'report/page');
	if (isBuilt) return readFileSync(join(folder, `${name}.js`), 'utf8');
	return stripped(readFileSync(join(folder, `${name}.ts`), 'utf8'));
}

/** Node calls it experimental on stderr; only who works on the sources ever comes here. */
function stripped(source: string): string {
	const {emitWarning} = process;
	process.emitWarning = () => {};
	try {
		return module.stripTypeScriptTypes(source);
	} finally {
		process.emitWarning = emitWarning;
	}
}

/** A module without what makes it one. Neither word begins a line of theirs that is anything else. */
function asPart(source: string): string {
	return source
		.replace(/^import [^;]*;$/gm, '')
		.replace(/^export (?=async |class |const |function )/gm, '')
		.replace(/^export \{\};?$/gm, '')
		.replace(/^\/\/# sourceMappingURL=.*$/gm, '')
		.replace(/[ \t]+$/gm, '')
		.replace(/\n{2,}/g, '\n');
}

export function pageScript(): string {
	const parts = modules.map(name => asPart(readModule(name)));
	return `(() => {\n'use strict';\n${parts.join('\n')}\n})();\n`;
}
