/**
 * What a user or another process of ours may say: command lines, mount options, the helper's report,
 * the kernel's table of mounts. Whatever it is, the answer is a sentence and never a stack.
 *
 * Commands that mount, unmount or write are left out: they would do so.
 */
import {existsSync, writeFileSync} from 'node:fs';
import {assertUtf8} from '../../src/argument-bytes.ts';
import {parseBytes, parseCount} from '../../src/command-line.ts';
import {describeFailure, FailureAbout} from '../../src/failure.ts';
import {parseReport} from '../../src/mount/launch.ts';
import {parseMountinfo} from '../../src/mount/mounts.ts';
import {parseMountOptions} from '../../src/mount/options.ts';
import {parseServerConfig} from '../../src/mount/server-config.ts';
import {defaultConfig} from '../support/server-config.ts';
import {loadBases} from './bases.ts';
import {Random} from './random.ts';

/** In the working directory, which is the campaign's own. */
const imageName = 'arguments.img';
const commands = ['info', 'ls', 'cat', 'stat', 'extents'] as const;

const words = [
	...['--json', '--help', '-l', '-a', '-R', '-i', '--offset', '--partition', '--superblock', '--'],
	...['-o', 'ro', 'rw', 'norecovery', '--', '-', '', '0', '1', '-1', '1M', '0x400', '1e9', '<2>'],
	...['<8>', '<0>', '<4294967297>', '/', 'small', 'dir', 'dir/', '/dir/medium', '//dir//.', '..'],
	...['fast', 'slow', 'c', 'p', 'xattr/acl', 'many', 'a\\,b', '--no-json', '--json=1', '-lR', '-x'],
];
const optionWords = [
	...['ro', 'rw', 'remount', 'map=me', 'map=image', 'uid=0', 'gid=4294967295', 'idmap=0:1000:1'],
	...['1:2:3', 'offset=', 'offset=1M', 'partition=0', 'cache_size=1g', 'fsname=a\\,b', 'commit=0'],
	...[
		'errors=panic',
		'acl',
		'noacl',
		'norecovery',
		'fakeroot',
		'allow_other',
		'default_permissions',
	],
	...['direct', 'minixdf', 'noexec', 'exec', 'suid', 'dev', 'noatime', 'sync', 'dirsync', 'debug'],
	...['create=1:2', 'create=', '=', ',', '\\', 'uid==', 'x-systemd.automount', 'user', 'loop'],
];
const mountLine =
	'36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - fuse.ext4box /dev/root rw,errors=continue\n';
const reports = [
	'ready direct 36 0:44 123',
	'failed no-fuse 2 no such file',
	'ready',
	'failed x y',
];

function anyText(random: Random): string {
	const length = random.pick([0, 1, 3, 12, 300]);
	const codes = Array.from({length}, () => random.pick([0, 9, 10, 32, 44, 92, 0xd800, 0x10ff]));
	return String.fromCharCode(...codes.map(code => code + random.below(100)));
}

function damageText(text: string, random: Random): string {
	if (random.chance(0.4)) return text;
	const at = random.below(text.length + 1);
	const piece = random.chance(0.5) ? anyText(random) : text.slice(random.below(text.length + 1));
	return text.slice(0, at) + piece + text.slice(at + random.below(8));
}

function anyWord(random: Random, from: readonly string[]): string {
	return random.chance(0.85) ? random.pick(from) : damageText(random.pick(from), random);
}

function anyWords(random: Random, from: readonly string[], max: number): string[] {
	return Array.from({length: random.below(max + 1)}, () => anyWord(random, from));
}

/** Any JSON that is near to a configuration of the server. */
function anyConfig(random: Random): string {
	const config: {[name: string]: unknown} = {...defaultConfig};
	const names = Object.keys(config);
	for (let count = random.below(3); count > 0; count--) {
		const values = [null, -1, 1.5, 2 ** 53, '', 'x', {}, [], true, {kind: 'ranges', ranges: [1]}];
		config[random.pick([...names, 'other', 'create'])] = random.pick(values);
	}
	const text = JSON.stringify(config);
	return random.chance(0.8) ? text : damageText(text, random);
}

/** Of two sides of one build: a configuration that is not well is a fault, of a kind that is told. */
function parseConfig(text: string): void {
	try {
		parseServerConfig(text);
	} catch (error) {
		const isTold =
			error instanceof SyntaxError ||
			(error instanceof TypeError && error.message.startsWith('server config'));
		if (!isTold) throw error;
	}
}

function assertReport(line: string): void {
	const report = parseReport(line);
	if (report.kind !== 'ready') return;
	const {id, supervisorPid} = report.mounted;
	for (const number of [id, supervisorPid]) {
		if (!Number.isFinite(number)) throw new Error(`${number} out of "${line}"`);
	}
}

async function runCommand(random: Random): Promise<void> {
	const name = random.pick(commands);
	const args = anyWords(random, words, 4);
	args.splice(random.below(args.length + 1), 0, random.chance(0.9) ? imageName : '/dev/null');
	assertUtf8(args);
	switch (name) {
		case 'info':
			await (await import('../../src/commands/info.ts')).run(args);
			break;
		case 'ls':
			await (await import('../../src/commands/ls.ts')).run(args);
			break;
		case 'cat':
			await (await import('../../src/commands/cat.ts')).run(args);
			break;
		case 'stat':
			await (await import('../../src/commands/stat.ts')).run(args);
			break;
		case 'extents':
			await (await import('../../src/commands/extents.ts')).run(args);
			break;
	}
}

function prepareImage(): void {
	if (existsSync(imageName)) return;
	const base = loadBases().find(({name}) => name === 'ext4-1k');
	writeFileSync(imageName, base?.bytes ?? new Uint8Array(0));
}

/** Throws what `describeFailure` has no sentence for. */
export async function driveArguments(
	seeds: readonly number[],
): Promise<{codes: Set<string>; wasBelieved: boolean}> {
	prepareImage();
	const codes = new Set<string>();
	let wasBelieved = false;
	const attempt = async (action: () => void | Promise<void>) => {
		try {
			await action();
			wasBelieved = true;
		} catch (thrown) {
			const error = thrown instanceof FailureAbout ? thrown.cause : thrown;
			if (describeFailure(error) === undefined) throw error;
			codes.add(error instanceof Error ? error.name : '');
		}
	};
	for (const seed of seeds) {
		const random = new Random(seed);
		await attempt(() => runCommand(random));
		await attempt(() => void parseMountOptions([anyWords(random, optionWords, 5).join(',')]));
		await attempt(() => void parseBytes(anyWord(random, words), 'it'));
		await attempt(() => void parseCount(anyWord(random, words), 'it'));
		await attempt(() => void parseMountinfo(damageText(mountLine.repeat(2), random)));
		assertReport(damageText(random.pick(reports), random));
		parseConfig(anyConfig(random));
	}
	return {codes, wasBelieved};
}
