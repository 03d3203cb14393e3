/** Adds up V8's own coverage of several processes, file by file. */
import {readdirSync, readFileSync} from 'node:fs';
import {stripTypeScriptTypes} from 'node:module';
import {join, relative} from 'node:path';
import {fileURLToPath} from 'node:url';

type Range = {readonly startOffset: number; readonly endOffset: number; readonly count: number};
type Script = {
	readonly url: string;
	readonly functions: readonly {readonly functionName: string; readonly ranges: readonly Range[]}[];
};

export type FileCoverage = {
	readonly file: string;
	readonly lines: readonly [covered: number, all: number];
	readonly functions: readonly [covered: number, all: number];
	readonly uncoveredLines: readonly number[];
};

/** `root` is the checkout; only files below `folder` in it count. */
export function readCoverage(reports: string, root: string, folder: string): FileCoverage[] {
	const scripts = new Map<string, Script[]>();
	for (const name of readdirSync(reports)) {
		const report = JSON.parse(readFileSync(join(reports, name), 'utf8')) as {result: Script[]};
		for (const script of report.result) {
			if (!script.url.startsWith('file:')) continue;
			const file = relative(root, fileURLToPath(script.url));
			if (!file.startsWith(`${folder}/`)) continue;
			scripts.set(file, [...(scripts.get(file) ?? []), script]);
		}
	}
	return [...scripts.entries()]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([file, list]) => coverageOf(file, readFileSync(join(root, file), 'utf8'), list));
}

/** What remains of the source at run time, in the same places; comments as spaces. */
function executableText(source: string): string {
	const blank = (text: string) => text.replace(/[^\n]/g, ' ');
	return stripTypeScriptTypes(source)
		.replace(/\/\*[\s\S]*?\*\//g, blank)
		.replace(/(^|\s)\/\/.*$/gm, blank)
		.replace(/^import [\s\S]*?;$/gm, blank);
}

function coverageOf(file: string, source: string, scripts: readonly Script[]): FileCoverage {
	const isReached = new Uint8Array(source.length);
	const functions = new Map<string, boolean>();
	for (const script of scripts) {
		const counts = new Uint8Array(source.length).fill(1);
		// Ranges come from the outside in: the inner one is the truth.
		for (const {functionName, ranges} of script.functions) {
			const whole = ranges[0];
			if (whole === undefined) continue;
			const key = `${functionName} ${whole.startOffset}`;
			if (functionName !== '') functions.set(key, functions.get(key) === true || whole.count > 0);
			for (const {startOffset, endOffset, count} of ranges) {
				counts.fill(count > 0 ? 1 : 0, startOffset, endOffset);
			}
		}
		for (let at = 0; at < counts.length; at++) if (counts[at] === 1) isReached[at] = 1;
	}
	let at = 0;
	let all = 0;
	const uncoveredLines: number[] = [];
	executableText(source)
		.split('\n')
		.forEach((line, index) => {
			const places = [...line].map((character, column) => ({character, column}));
			const code = places.filter(({character}) => /\w/.test(character));
			if (code.length > 0) {
				all++;
				const start = at;
				if (code.some(({column}) => isReached[start + column] === 0))
					uncoveredLines.push(index + 1);
			}
			at += line.length + 1;
		});
	return {
		file,
		lines: [all - uncoveredLines.length, all],
		functions: [[...functions.values()].filter(Boolean).length, functions.size],
		uncoveredLines,
	};
}
