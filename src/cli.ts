/** The command line: finds the command, runs it, sets the exit status. */
import * as fs from 'node:fs';
import module from 'node:module';
import {homedir} from 'node:os';
import {dirname, isAbsolute, join} from 'node:path';

type Command = {
	/** The help text, with examples. */
	readonly usage: string;
	/** Returns the exit status. */
	run(args: string[]): Promise<number>;
};

type CommandEntry = {readonly summary: string; load(): Promise<Command>};

// In the order of the help text. Loaded on demand: no command pays for another.
const commands = new Map<string, CommandEntry>([
	['mount', {summary: 'mount an image on a directory', load: () => import('./commands/mount.ts')}],
	[
		'mount.fuse',
		{
			summary: 'what mount(8) calls for fuse.ext4box',
			load: () => import('./commands/mount-fuse.ts'),
		},
	],
	['umount', {summary: 'unmount it and wait', load: () => import('./commands/umount.ts')}],
	[
		'run',
		{
			summary: 'run a command that sees an image mounted, with nothing installed',
			load: () => import('./commands/run.ts'),
		},
	],
	[
		'status',
		{summary: 'show what is mounted, and how it does', load: () => import('./commands/status.ts')},
	],
	[
		'info',
		{
			summary: 'show the superblock, features and groups of an image',
			load: () => import('./commands/info.ts'),
		},
	],
	['ls', {summary: 'list a directory', load: () => import('./commands/ls.ts')}],
	['cat', {summary: 'print the contents of files', load: () => import('./commands/cat.ts')}],
	['stat', {summary: 'show all that is known of files', load: () => import('./commands/stat.ts')}],
	[
		'extents',
		{summary: 'show where a file lies on the disk', load: () => import('./commands/extents.ts')},
	],
	[
		'extract',
		{summary: 'copy a tree out of an image', load: () => import('./commands/extract.ts')},
	],
	[
		'check',
		{summary: 'find what is wrong with a file system', load: () => import('./commands/check.ts')},
	],
	[
		'report',
		{
			summary: 'make a page that shows what is where on the disk',
			load: () => import('./commands/report.ts'),
		},
	],
]);

function helpText(): string {
	const lines = [...commands].map(([name, {summary}]) => `  ${name.padEnd(11)}${summary}`);
	return `Usage: ext4box COMMAND [OPTIONS] IMAGE …

Mounts, reads, writes and inspects ext2, ext3 and ext4 disk images as an ordinary user. IMAGE is a
file, a block device, or a disk with partitions; it is written to by mount and run alone, unless -o ro.

Commands:
${lines.join('\n')}

"ext4box help COMMAND" or "ext4box COMMAND --help" tells more.
Exit status: 0 success, 1 a failure that is named, 2 wrong usage, 70 a fault of ext4box itself; check
has its own.
`;
}

/** As the XDG Base Directory Specification has it: what is empty or relative does not count. */
function cacheHome(): string {
	const said = process.env['XDG_CACHE_HOME'] ?? '';
	return isAbsolute(said) ? said : join(homedir(), '.cache');
}

/** Whether nobody but us and root can put anything into `path`, or another directory in its place. */
function isOurs(path: string): boolean {
	const own = fs.lstatSync(path);
	if (own.uid !== process.getuid?.() || (own.mode & 0o022) !== 0) return false;
	for (let above = dirname(path); ; above = dirname(above)) {
		const {uid, mode} = fs.lstatSync(above);
		const isShared = (mode & 0o002) !== 0 && (mode & 0o1000) === 0;
		if ((uid !== own.uid && uid !== 0) || isShared) return false;
		if (above === dirname(above)) return true;
	}
}

/** Of ours, so that nobody else's code is run for us; Node's default lies in a shared directory. */
function enableCompileCache(): void {
	try {
		const directory = join(cacheHome(), 'ext4box');
		if (!isAbsolute(directory)) return;
		fs.mkdirSync(directory, {recursive: true, mode: 0o700});
		const path = fs.realpathSync(directory);
		if (isOurs(path)) module.enableCompileCache(path);
	} catch (error) {
		// No home, or one that can't be written: the start takes a little longer.
		if (!(error instanceof Error && 'syscall' in error)) throw error;
	}
}

/** Number of single-letter changes between two words. */
function distance(a: string, b: string): number {
	let row = Array.from({length: b.length + 1}, (_, index) => index);
	for (const [index, letter] of [...a].entries()) {
		const next = [index + 1];
		for (const [at, other] of [...b].entries()) {
			const change = (row[at] ?? 0) + (letter === other ? 0 : 1);
			next.push(Math.min(change, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
		}
		row = next;
	}
	return row[b.length] ?? 0;
}

async function unknownCommand(name: string): Promise<never> {
	const {UsageError} = await import('./cli-error.ts');
	const word = name.slice(0, 40); // Longer ones resemble nothing.
	const [nearest] = [...commands.keys()]
		.map(known => ({known, changes: distance(word, known)}))
		.filter(({known, changes}) => changes <= Math.max(1, Math.floor(known.length / 3)))
		.sort((a, b) => a.changes - b.changes);
	const hint = nearest === undefined ? 'see "ext4box help"' : `did you mean "${nearest.known}"?`;
	throw new UsageError(`there is no command "${word}"; ${hint}`);
}

function findCommand(name: string): Promise<CommandEntry> {
	const entry = commands.get(name);
	return entry === undefined ? unknownCommand(name) : Promise.resolve(entry);
}

/** `--help` asks about the command, except behind `--`, where it belongs to another program. */
function asksForHelp(args: readonly string[]): boolean {
	const end = args.indexOf('--');
	const own = end < 0 ? args : args.slice(0, end);
	return own.includes('--help') || own.includes('-h');
}

async function main(args: readonly string[]): Promise<number> {
	const [name, ...rest] = args;
	const {print, flushOutput} = await import('./output.ts');
	const say = (text: string) => {
		print(text);
		flushOutput();
		return 0;
	};
	if (name === '--version' || name === '-V') {
		const {programVersion} = await import('./version.ts');
		const version = programVersion() ?? 'of unknown version';
		return say(`ext4box ${version} (Node ${process.versions.node})\n`);
	}
	const [topic] = rest;
	if (name === '--help' || name === '-h' || (name === 'help' && (topic ?? name) === name)) {
		return say(helpText());
	}
	if (name === undefined) {
		const {UsageError} = await import('./cli-error.ts');
		throw new UsageError('which command? See "ext4box help"');
	}
	if (name === 'help' && topic !== undefined) {
		const {usage} = await (await findCommand(topic)).load();
		return say(usage);
	}
	const command = await (await findCommand(name)).load();
	if (asksForHelp(rest)) return say(command.usage);
	const status = await command.run(rest);
	flushOutput();
	return status;
}

function assertNodeVersion(): void {
	const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
	if (major >= 26 || (major === 24 && minor >= 12)) return;
	fs.writeSync(
		2,
		`ext4box: Node.js ^24.12 or >=26 is needed; this is ${process.version}, and "npm ci" brings one that fits\n`,
	);
	process.exit(1);
}

assertNodeVersion();
enableCompileCache();
try {
	process.exitCode = await main(process.argv.slice(2));
} catch (error) {
	const {reportFailure} = await import('./failure.ts');
	process.exitCode = await reportFailure(error);
}
