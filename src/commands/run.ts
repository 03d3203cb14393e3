import {mkdtempSync, realpathSync, rmdirSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {assertUtf8} from '../argument-bytes.ts';
import {CliError, UsageError} from '../cli-error.ts';
import {parseCommand, placeOptions} from '../command-line.ts';
import {log, setLogLevel} from '../log.ts';
import {decideAccess} from '../mount/access.ts';
import {
	findPrograms,
	launchRun,
	type Mounted,
	type Programs,
	type SandboxRequest,
} from '../mount/launch.ts';
import {prepareMountpoint} from '../mount/mountpoint.ts';
import {parseMountOptions} from '../mount/options.ts';
import {parseSandbox, sandboxOptions} from '../mount/sandbox-options.ts';

export const usage = `Usage: ext4box run IMAGE [--at DIR] [--ro] [-o OPTIONS] -- COMMAND [ARGUMENT...]

Runs COMMAND where IMAGE is mounted and nobody else sees it: in a user and a mount namespace of its
own. Needs no root, no fusermount3, nothing installed. The mount ends with COMMAND, whose exit status
is returned.

COMMAND starts in the root of the mount; with --at in the current directory. Its environment says in
EXT4BOX_MOUNT where the mount is. In the namespace there is one user and one group, yours: so all
files are shown as yours, unless a mapping is asked for (owners that are not you show as 65534).

  --at DIR            mount there instead of in a new place; any directory will do, not only your own
  --ro                mount read-only (else writable, where the image may be written to; where it may
                      not, that is said)
  --partition N, --offset BYTES
                      where on the disk the file system is
  -o OPTIONS          mount options, as for "ext4box mount"
      --sandbox LEVEL     how the server is kept apart: normal (the default), strict (no machine code is
                      made while it runs: slower), or off
      --require-sandbox LEVEL
                      serve nothing with less: partial, normal, strict
  -v, --verbose       say where it was mounted
  -h, --help          show this text

Examples
  ext4box run disk.img --ro -- ls -lR
  ext4box run disk.img -- cp -a . /tmp/copy
  ext4box run disk.img --at /mnt -- bash

Exit status: COMMAND's; 128 + N if signal N ended it; 127 if it was not found, 126 if it can't be
run; 1 if the mount failed, 2 on wrong usage.
`;

/** `ext4box run`: see usage. Tests give other programs to start. */
export async function run(args: string[], programs?: Programs): Promise<number> {
	assertUtf8(args);
	return await runCommand(parse(args), programs ?? findPrograms());
}

type Arguments = {
	readonly image: string;
	readonly at: string | null;
	readonly lists: readonly string[];
	readonly command: readonly string[];
	readonly sandbox: SandboxRequest;
	readonly isVerbose: boolean;
};

function parse(args: string[]): Arguments {
	// Cut before parsing: the options after "--" are COMMAND's.
	const end = args.indexOf('--');
	const own = end < 0 ? args : args.slice(0, end);
	const {values, positionals} = parseCommand(
		'run',
		own,
		{
			at: {type: 'string'},
			ro: {type: 'boolean', default: false},
			options: {type: 'string', short: 'o', multiple: true, default: []},
			partition: {type: 'string'},
			offset: {type: 'string'},
			...sandboxOptions,
			verbose: {type: 'boolean', short: 'v', default: false},
		},
		['IMAGE'],
	);
	const [image = ''] = positionals; // parseCommand has seen that it is there.
	const command = end < 0 ? [] : args.slice(end + 1);
	if (command.length === 0) {
		throw new UsageError('run takes an image and a command: ext4box run IMAGE -- COMMAND');
	}
	const ro = values.ro === true ? ['ro'] : [];
	const lists = [...values.options, ...placeOptions(values), ...ro];
	return {
		image,
		at: values.at ?? null,
		lists,
		command,
		sandbox: parseSandbox(values),
		isVerbose: values.verbose === true,
	};
}

async function runCommand(
	{image, at, lists, command, sandbox, isVerbose}: Arguments,
	programs: Programs,
): Promise<number> {
	if (isVerbose) {
		setLogLevel('info');
	}
	const options = parseMountOptions(lists);
	if (options.isLoop) {
		throw new UsageError(
			'option loop: a namespace has no right to loop devices; use "ext4box mount"',
		);
	}
	const {reason, warning, ...access} = decideAccess(image, options);
	const isTemporary = at === null;
	const mountpoint = isTemporary ? makeDirectory() : await prepareMountpoint(at, programs, false);
	const onReady = ({device}: Mounted): void => {
		if (warning !== null) log.warn(warning);
		// Nobody asked for it: COMMAND may be about to write.
		if (reason !== null) log.warn(`mounted read-only: ${reason} (--ro silences this line)`);
		log.info(`mounted on ${mountpoint} in a namespace (${device})`);
	};
	try {
		const outcome = await launchRun({image, mountpoint, options, ...access, sandbox}, programs, {
			command,
			isTemporary,
			onReady,
		});
		return outcome.kind === 'refused' ? 1 : outcome.exitCode;
	} finally {
		if (isTemporary) {
			removeDirectory(mountpoint);
		}
	}
}

function makeDirectory(): string {
	const base = tmpdir();
	try {
		return realpathSync(mkdtempSync(join(base, 'ext4box-')));
	} catch (error) {
		throw new CliError(
			`no place to mount in ${base}: ${(error as Error).message} (set TMPDIR, or name a directory with --at)`,
		);
	}
}

/** The helper removes it, even when we are killed; only a helper that never started leaves it. */
function removeDirectory(path: string): void {
	try {
		rmdirSync(path);
	} catch {
		// Gone already.
	}
}
