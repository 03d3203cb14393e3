import {printable} from '../../images/index.ts';
import {assertUtf8} from '../argument-bytes.ts';
import {CliError} from '../cli-error.ts';
import {parseCommand} from '../command-line.ts';
import {describeDataPath, describeLoop} from '../describe-data-path.ts';
import {countOf} from '../format.ts';
import {askStatus, type StatusAnswer} from '../mount/ask-status.ts';
import {isExt4box, type Mount, mountAt, readMounts, resolveMountpoint} from '../mount/mounts.ts';
import {formatTable, print, printJson, printLine} from '../output.ts';
import {describeSandbox} from '../sandbox/describe.ts';
import type {Status} from '../status.ts';

export const usage = `Usage: ext4box status [DIR] [--json]

Shows how the mount on DIR does: what is served, by which protocol, how many requests of which kind,
what time and memory it took, and what went wrong lately. Only who mounted it is told, and root where
the mount lets others in (allow_other): else the kernel keeps out even root.
Without DIR: every mount of ext4box here, one line each.

      --json    print JSON: one object, or without DIR a list
  -h, --help    show this text

Examples
  ext4box status
  ext4box status mnt --json | jq .status.requests

Exit status: 0 shown; 1 the server of DIR is dead, does not answer, or may not tell you; 2 wrong usage.
`;

/** `ext4box status`: see usage. */
export async function run(args: string[]): Promise<number> {
	assertUtf8(args);
	const {directory, isJson} = parse(args);
	return directory === undefined ? await showAll(isJson) : await showOne(directory, isJson);
}

function parse(args: string[]): {directory: string | undefined; isJson: boolean} {
	const options = {json: {type: 'boolean'}} as const;
	const {values, positionals} = parseCommand('status', args, options, ['[DIR]']);
	return {directory: positionals[0], isJson: values.json === true};
}

async function showOne(given: string, isJson: boolean): Promise<number> {
	const mounts = readMounts();
	const path = resolve(given, mounts);
	const mount = mountAt(path, mounts);
	if (mount === null) throw new CliError(`${given}: nothing is mounted there`);
	if (!isExt4box(mount)) {
		throw new CliError(`${given}: what is mounted there is ${mount.type}, and not of ext4box`);
	}
	const answer = await askStatus(path);
	if (isJson) printJson(toJson(mount, answer));
	else if (answer.kind === 'answered') print(describe(mount, answer.status));
	if (answer.kind === 'answered') return 0;
	throw new CliError(`${given}: ${sentenceOf(answer, mount)}`);
}

function resolve(given: string, mounts: readonly Mount[]): string {
	try {
		return resolveMountpoint(given, mounts);
	} catch (error) {
		if (!(error instanceof Error && 'code' in error)) throw error;
		throw new CliError(`${given}: ${error.code === 'ENOENT' ? 'does not exist' : error.code}`);
	}
}

async function showAll(isJson: boolean): Promise<number> {
	const mounts = readMounts().filter(isExt4box);
	const answers = await Promise.all(mounts.map(mount => askStatus(mount.path)));
	const pairs = mounts.flatMap((mount, index) => {
		const answer = answers[index];
		return answer === undefined ? [] : [{mount, answer}];
	});
	if (isJson) {
		printJson(pairs.map(({mount, answer}) => toJson(mount, answer)));
		return 0;
	}
	if (pairs.length === 0) {
		printLine('ext4box has nothing mounted here');
		return 0;
	}
	// Paths and names of images are what other users made them.
	const rows = pairs.map(({mount, answer}) =>
		[mount.path, mount.source, sentenceOf(answer, mount)].map(printable),
	);
	print(formatTable([['MOUNT', 'IMAGE', 'STATE'], ...rows], ['left', 'left', 'left']));
	return 0;
}

function toJson(mount: Mount, answer: StatusAnswer): object {
	const {path, source, options, uid} = mount;
	const status = answer.kind === 'answered' ? answer.status : undefined;
	return {path, image: source, options, uid, state: answer.kind, status};
}

function sentenceOf(answer: StatusAnswer, mount: Mount): string {
	switch (answer.kind) {
		case 'answered': {
			const {status} = answer;
			const faults =
				status.faultCount === 0 ? '' : `, ${countOf(status.faultCount, 'error')} found`;
			return `serves for ${duration(status.uptimeSeconds)}${faults}`;
		}
		case 'dead':
			return 'its server is dead; "ext4box umount" takes the mount away';
		case 'silent':
			return 'its server does not answer';
		case 'forbidden':
			return mount.allowsOther
				? 'only who mounted it is told, and root'
				: `the kernel lets only its mounter in (uid ${mount.uid}): ask as that user`;
		case 'failed':
			return `could not be asked: ${answer.reason}`;
	}
}

const units: readonly (readonly [seconds: number, name: string])[] = [
	[86_400, 'd'],
	[3600, 'h'],
	[60, 'min'],
];

function duration(seconds: number): string {
	const unit = units.find(([size]) => seconds >= size * 2);
	if (unit === undefined) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
	return `${Math.floor(seconds / unit[0])} ${unit[1]}`;
}

function mebibytes(bytes: number): string {
	return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function countsOf(counts: {readonly [name: string]: number}): string {
	const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
	return sorted.map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
}

function loopRows({loop}: Status): [string, string][] {
	// A server that was started by an earlier version says nothing of it.
	return loop ? [['loop device', describeLoop(loop)]] : [];
}

function budgetRow({budget}: Status): [string, string] {
	const {exceeded, mostAccesses, mostReadBytes} = budget;
	const refused = exceeded === 0 ? '' : `; ${exceeded} cost too much and were refused`;
	return [
		'costliest',
		`a request with ${countOf(mostAccesses, 'block')}, one with ${mebibytes(mostReadBytes)} read${refused}`,
	];
}

function writingRows({writing, deviceWrites, deviceFlushes}: Status): [string, string][] {
	if (writing === null) return [];
	const state = writing.isDirty
		? `changes wait for their commit, ${writing.commitSeconds} s at most`
		: 'all is committed';
	const {commits, checkpoints, blocksCommitted, rollbacks} = writing;
	return [
		[
			'image writes',
			`${deviceWrites.count}, ${mebibytes(deviceWrites.bytes)}, ${countOf(deviceFlushes, 'flush', 'flushes')}`,
		],
		['writing', writing.failure === null ? state : `given up: ${writing.failure}`],
		[
			'commits',
			`${commits} of ${countOf(blocksCommitted, 'block')}, ${countOf(checkpoints, 'checkpoint')}, ${countOf(rollbacks, 'operation')} undone`,
		],
		[
			'inodes',
			`${writing.knownInodes} known to the kernel, ${writing.linklessInodes} without a name`,
		],
	];
}

/** A mount's status for people, in lines that no label can break out of. */
export function describe(mount: Mount, status: Status): string {
	const {volume, protocol, cpuSeconds, memoryBytes, deviceReads, blockCache} = status;
	const label = volume.label === '' ? 'no label' : `label ${JSON.stringify(volume.label)}`;
	const replayed =
		volume.replayed === 0 ? '' : `, ${countOf(volume.replayed, 'transaction')} replayed`;
	const access = status.allowOther ? 'others may enter' : 'the mounter alone may enter';
	const rows: [string, string][] = [
		['image', `${mount.source} (${status.readOnly ? 'read-only' : 'read-write'}, ${access})`],
		['volume', `${label}, ${volume.uuid}, blocks of ${volume.blockSize} bytes${replayed}`],
		['features', volume.features.join(' ')],
		['data', describeDataPath(status)],
		...loopRows(status),
		['sandbox', describeSandbox(status.sandbox)],
		['protocol', `FUSE 7.${protocol.minor} (kernel 7.${protocol.kernelMinor})`],
		['serving', `for ${duration(status.uptimeSeconds)}`],
		['CPU', `${cpuSeconds.user.toFixed(2)} s user, ${cpuSeconds.system.toFixed(2)} s system`],
		[
			'memory',
			`at most ${mebibytes(memoryBytes.residentPeak)} resident, heap ${mebibytes(memoryBytes.heap)}`,
		],
		['requests', countsOf(status.requests)],
		['errors', countsOf(status.errors)],
		budgetRow(status),
		['sent', mebibytes(status.sentBytes)],
		['image reads', `${deviceReads.count}, ${mebibytes(deviceReads.bytes)}`],
		...writingRows(status),
		[
			'block cache',
			`${countOf(blockCache.hits, 'hit')}, ${countOf(blockCache.misses, 'miss', 'misses')}`,
		],
		...status.lastFaults.map(({time, code, message}): [string, string] => [
			'found',
			`${time} ${code}: ${message}`,
		]),
	];
	// Labels and messages hold what is in the image.
	return `${printable(mount.path)}\n${formatTable(
		rows.map(([name, value]) => [`  ${name}`, printable(value)]),
		['left', 'left'],
	)}`;
}
