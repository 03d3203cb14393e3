/** Asks the server of a mount for its status, and does not wait for ever. */
import {spawn} from 'node:child_process';
import {extname} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Status} from '../status.ts';

export type StatusAnswer =
	| {readonly kind: 'answered'; readonly status: Status}
	/** Nobody serves the mount any more. */
	| {readonly kind: 'dead'}
	/** It takes longer than it was given. */
	| {readonly kind: 'silent'}
	/** Only its mounter and root are told. */
	| {readonly kind: 'forbidden'}
	/** The errno's name. */
	| {readonly kind: 'failed'; readonly reason: string};

/** In the sources a .ts file, in the package a .js file. */
const probePath = fileURLToPath(
	new URL(`../status-probe${extname(import.meta.url)}`, import.meta.url),
);

function answerOf(code: number | null, output: string, complaint: string): StatusAnswer {
	if (code === 0) return {kind: 'answered', status: JSON.parse(output) as Status};
	switch (complaint) {
		case 'ENOTCONN':
		case 'ECONNABORTED':
			return {kind: 'dead'};
		case 'EPERM':
		case 'EACCES':
			return {kind: 'forbidden'};
		case 'ENOTTY':
			return {kind: 'failed', reason: 'this is no mount of ext4box'};
		default:
			return {kind: 'failed', reason: complaint};
	}
}

/** Never rejects for what the mount does or does not do. */
export function askStatus(path: string, timeoutMs = 3000): Promise<StatusAnswer> {
	const child = spawn(process.execPath, [probePath, path], {stdio: ['ignore', 'pipe', 'pipe']});
	let output = '';
	let complaint = '';
	child.stdout.on('data', chunk => {
		output += String(chunk);
	});
	child.stderr.on('data', chunk => {
		complaint += String(chunk);
	});
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => {
			// It may not even die before the server answers: then it is left behind.
			child.kill('SIGKILL');
			child.unref();
			child.stdout.destroy();
			child.stderr.destroy();
			resolve({kind: 'silent'});
		}, timeoutMs);
		child.once('error', reject);
		child.once('close', code => {
			clearTimeout(timer);
			resolve(answerOf(code, output, complaint.trim()));
		});
	});
}
