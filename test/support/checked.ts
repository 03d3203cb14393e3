/** `check` run on a small image that is well, and on copies of it that are not. */
import * as fs from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {debugfs} from './e2fsprogs.ts';
import {run, temporary} from './program.ts';

/** A copy in which the root says that 77 names lead to it, and /hello 9. */
export function damagedCopy(t: ExecutionContext, image: string): string {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image, path);
	debugfs([Buffer.from('sif <2> links_count 77'), Buffer.from('sif /hello links_count 9')], path);
	return path;
}

/** What docs/check.schema.json says of a document, as far as tests look at it. */
export type CheckDocument = {
	image: {path: string; offsetBytes: number; partition: number | null};
	findings: {
		code: string;
		severity: string;
		message: string;
		place: {inode?: number};
		ranges: object | null;
	}[];
	summary: {
		verdict: string;
		exitStatus: number;
		findingCounts: {[severity: string]: number};
		codeCounts: {[code: string]: number};
		repair: string | null;
		volume: {totals: {files: number}; inodeCount: number};
		memoryBytes: number;
	};
};

/** The document that `check --json` prints; `status` is the exit status to come with it. */
export function checkJson(
	t: ExecutionContext,
	args: readonly string[],
	status: number,
): CheckDocument {
	const result = run(['check', '--json', ...args]);
	t.is(result.status, status, result.stderr);
	return JSON.parse(result.stdout) as CheckDocument;
}
