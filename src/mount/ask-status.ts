/** Asks the server of a mount for its status, and does not wait for ever. */
import {spawn} from 'node:child_process';
import {programFile} from '../program-files.ts';
import type {Status} from '../status.ts';

export type StatusAnswer =
	| {readonly kind: 'answered'; readonly status: Status}
	/** Nobody serves the mount any more. */
	| {readonly kind: 'dead'}
	/** It takes longer than it was given. */
	| {readonly kind: 'silent'}
	/** Only its mounter is told; root, too, where the mount lets others in. */
	| {readonly kind: 'forbidden'}
	/** The errno's name. */
	| {readonly kind: 'failed'; readonly reason: string};

const probePath = programFile('status-probe');

/** Who answers may be of another version, or another user's program that only bears our name. */
function parseAnswer(output: string): StatusAnswer {
	const notUnderstood = {kind: 'failed', reason: 'its answer is not understood'} as const;
	let status: Partial<Status> | null;
	try {
		status = JSON.parse(output) as Partial<Status> | null;
	} catch (error) {
		if (!(error instanceof SyntaxError)) throw error;
		return notUnderstood;
	}
	const isOurs =
		status?.ext4box === 1 &&
		typeof status.uptimeSeconds === 'number' &&
		typeof status.faultCount === 'number';
	return isOurs ? {kind: 'answered', status: status as Status} : notUnderstood;
}

/** What the probe's exit status and what it printed mean. */
export function answerOf(code: number | null, output: string, complaint: string): StatusAnswer {
	if (code === 0) return parseAnswer(output);
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

/** Node takes seconds to start on a small or busy machine, which says nothing about the server. */
const startMs = 30_000;

/**
 * `timeoutMs` is how long the server may take, from when it is asked. Never rejects for what the mount
 * does or does not do.
 */
export function askStatus(path: string, timeoutMs = 3000): Promise<StatusAnswer> {
	const child = spawn(process.execPath, [probePath, path], {stdio: ['ignore', 'pipe', 'pipe']});
	let output = '';
	let complaint = '';
	child.stderr.setEncoding('utf8').on('data', chunk => {
		complaint += chunk;
	});
	return new Promise((resolve, reject) => {
		const giveUp = () => {
			// It may not even die before the server answers: then it is left behind.
			child.kill('SIGKILL');
			child.unref();
			child.stdout.destroy();
			child.stderr.destroy();
			resolve({kind: 'silent'});
		};
		let timer = setTimeout(giveUp, startMs);
		// A character may lie across two chunks.
		child.stdout.setEncoding('utf8').on('data', chunk => {
			if (output === '') {
				clearTimeout(timer);
				timer = setTimeout(giveUp, timeoutMs);
			}
			output += chunk;
		});
		child.once('error', reject);
		child.once('close', code => {
			clearTimeout(timer);
			resolve(answerOf(code, output, complaint.trim()));
		});
	});
}
