import {assertUtf8} from '../argument-bytes.ts';
import {UsageError} from '../cli-error.ts';
import {parseCommand, placeOptions} from '../command-line.ts';
import {describeDataPath, describeLoop} from '../describe-data-path.ts';
import {log, setLogLevel} from '../log.ts';
import {decideAccess} from '../mount/access.ts';
import {askStatus} from '../mount/ask-status.ts';
import {
	findPrograms,
	launchMount,
	type Mounted,
	type Programs,
	type SandboxRequest,
} from '../mount/launch.ts';
import {prepareMountpoint} from '../mount/mountpoint.ts';
import {type MountOptions, parseMountOptions} from '../mount/options.ts';
import {remount} from '../mount/remount.ts';
import {parseSandbox, sandboxOptions} from '../mount/sandbox-options.ts';
import {describeSandbox} from '../sandbox/describe.ts';

export const usage = `Usage: ext4box mount IMAGE DIR [-r] [-o OPTIONS] [--partition N | --offset BYTES]
                     [--foreground] [--verbose]
       ext4box mount -o remount,ro DIR
       ext4box mount -o remount,rw DIR

Mounts the ext2, ext3 or ext4 file system in IMAGE (a file, a block device, or a disk with
partitions) on the directory DIR, and returns once it answers. No root is needed: DIR must be yours,
and ext4box or fusermount3 (package fuse3) be installed; without either, see "ext4box run --help".
"ext4box umount DIR" ends the mount. Should its server die, the mount is taken away at once.

  -o OPTIONS          mount options, separated by commas (below); may be given several times
  -r, --read-only     as -o ro
  --partition N, --offset BYTES
                      as -o partition=N, -o offset=BYTES
  -f, --foreground    stay until the mount ends; ^C ends it
      --sandbox LEVEL     how the server is kept apart: normal (the default), strict (no machine code is
                      made while it runs: slower), or off
      --require-sandbox LEVEL
                      serve nothing with less: partial, normal, strict
  -v, --verbose       say which way was taken, and why no better one: the privileged helper that
                      "make install" puts in place, mount(2) as root, or fusermount3;
                      what the sandbox consists of, and who moves the data, and why
  -h, --help          show this text

What is mounted
  rw, ro              writable, or read-only: then the image is not changed by a single byte. Unless
                      one is named: writable where the image may be written to and its features are
                      all known, else read-only, which is said
  remount             changes a mount that exists to ro, or back to rw; not one that was made ro. For
                      who mounted it; for root, too, where it has allow_other: else the kernel keeps
                      out even root
  offset=BYTES        the file system begins there (suffixes k, m, g, t)
  partition=N         on a disk with partitions: the N-th; the only one is found by itself
  norecovery, noload  do not replay a journal that was left dirty; show what is on disk. Implies ro
  recover             with ro: first the journal is brought home and files without a name, which a crash
                      has left, are freed, in the image, as the kernel's ext4 does; then it is served
                      read-only, held open for writing, so that -o remount,rw can follow. Fails where
                      that is needed and the image can't be written to. A writable mount always recovers
  errors=WHAT         where the image turns out to be damaged while it is written to: continue with
                      what is sound, or remount-ro (panic means the same); default: as its superblock
                      says. It is marked for e2fsck either way

Writing
  commit=SECONDS      how old a change may become before it is on the medium (default: 5); fsync(2)
                      brings it there at once
  sync, dirsync       every change is on the medium before it is answered; changes of directories
  create=UID:GID      whose new files are in the image under map=me, uid=, gid= (default: their
                      directory's owner)

Whose files
  map=me              all files are shown as yours
  map=image           owners as the image says (the default)
  uid=N, gid=N        all files are shown as this user's, this group's
  idmap=IMAGE:HOST:COUNT[,IMAGE:HOST:COUNT...]
                      ids of the image from IMAGE on are shown as HOST and following
  allow_other         others may enter; the kernel checks modes and ACLs then. Needs
                      "user_allow_other" in /etc/fuse.conf
  default_permissions the kernel checks modes although only you may enter
  acl, noacl          the kernel checks POSIX ACLs, or not (default: as allow_other has it)
  fakeroot            accepted: owners and modes are no obstacle to a lone mounter anyway

Other
  cache_size=BYTES    bound of the server's cache (suffixes k, m, g); 100,000 blocks at most
  iomap=auto|off|static|v7
                      whether a kernel that has FUSE iomap moves data itself: if it can,
                      never, on read-only mounts alone, only by that version of it
  loop                put a loop device in the place of an image that is a file, as iomap needs
                      (it does so by itself). Takes root, or the helper and "loop yes" in
                      /etc/ext4box.conf
  direct              bypass the page cache
  watchdog=SECONDS    a server that leaves its callers without an answer for so long is ended, and the
                      mount taken away (default: 30; 0: never)
  noexec, noatime     as mount(8) has them; nosuid and nodev always hold
  minixdf, bsddf      df counts the file system's own metadata, or not (the default)
  fsname=NAME         the name in the mount table (default: the image's path); where the installed
                      helper mounts for an ordinary user, an absolute path must be the image's own
  subtype=TYPE        what the mount table calls its type, after "fuse.": ext4box (the default), ext4,
                      ext3 or ext2, for programs that look for these
  debug               trace every request on stderr; implies --foreground

Examples
  mkdir mnt && ext4box mount disk.img mnt -o ro && ls -l mnt; ext4box umount mnt
  ext4box mount -o ro,partition=2,map=me sdcard.img /tmp/card

Exit status: 0 mounted (--foreground: and ended in order), 1 failed, 2 wrong usage, 128 + N stopped by
signal N before it was mounted (^C: 130), and nothing is.
`;

/** `ext4box mount`: see usage. Tests give other programs to start. */
export async function run(args: string[], programs?: Programs): Promise<number> {
	assertUtf8(args);
	return await mount(parse(args), programs ?? findPrograms());
}

export type MountArguments = {
	readonly image: string;
	/** Undefined where only one name is given, which is the directory's for a remount. */
	readonly directory: string | undefined;
	readonly options: MountOptions;
	readonly isForeground: boolean;
	readonly sandbox: SandboxRequest;
	readonly isVerbose: boolean;
};

function parse(args: string[]): MountArguments {
	const {values, positionals} = parseCommand(
		'mount',
		args,
		{
			options: {type: 'string', short: 'o', multiple: true, default: []},
			partition: {type: 'string'},
			offset: {type: 'string'},
			'read-only': {type: 'boolean', short: 'r', default: false},
			foreground: {type: 'boolean', short: 'f', default: false},
			...sandboxOptions,
			verbose: {type: 'boolean', short: 'v', default: false},
		},
		['IMAGE', '[DIR]'],
	);
	const [image = '', directory] = positionals; // parseCommand has seen that it is there.
	return {
		image,
		directory,
		options: parseMountOptions([
			...values.options,
			...placeOptions(values),
			...(values['read-only'] === true ? ['ro'] : []),
		]),
		isForeground: values.foreground === true,
		sandbox: parseSandbox(values),
		isVerbose: values.verbose === true,
	};
}

/** Mounts, or changes a mount. Returns the exit status; throws `CliError`. */
export async function mount(
	{image, directory, options, isForeground, sandbox, isVerbose}: MountArguments,
	programs: Programs,
): Promise<number> {
	setLogLevel('info');
	if (options.isRemount) {
		await remount(directory ?? image, options.access === 'ro');
		return 0;
	}
	if (directory === undefined) {
		throw new UsageError('DIR is missing; see "ext4box help mount"');
	}
	const {reason, warning, ...access} = decideAccess(image, options);
	const mountpoint = await prepareMountpoint(directory, programs, true);
	const onReady = (mounted: Mounted): void => {
		if (warning !== null) log.warn(warning);
		if (reason !== null) {
			log.info(`mounted read-only: ${reason} (-o ro silences this line)`);
		}
		if (isVerbose) {
			log.info(describe(mountpoint, mounted));
			telling = tellHow(mountpoint);
		}
	};
	let telling: Promise<void> | undefined;
	const outcome = await launchMount({image, mountpoint, options, ...access, sandbox}, programs, {
		isForeground: isForeground || options.debug,
		onReady,
		onSkipped: reason => {
			if (isVerbose) {
				log.info(`without the privileged helper: ${reason}`);
			}
		},
	});
	await telling;
	return outcome.kind === 'refused' ? 1 : outcome.exitCode;
}

/** Only the server itself knows what holds around it, and who moves its data. */
async function tellHow(mountpoint: string): Promise<void> {
	const answer = await askStatus(mountpoint);
	if (answer.kind !== 'answered') {
		log.info('sandbox, data: not known');
		return;
	}
	const {status} = answer;
	log.info(`sandbox: ${describeSandbox(status.sandbox)}`);
	log.info(`data: ${describeDataPath(status)}`);
	if (status.loop !== null) log.info(`loop device: ${describeLoop(status.loop)}`);
}

const waysInWords: Readonly<Record<Mounted['way'], string>> = {
	fusermount3: 'by fusermount3',
	direct: 'by mount(2), as root',
	namespace: 'in a user namespace',
	installed: 'by the installed helper, its server under an id of its own',
};

function describe(mountpoint: string, {way, device, supervisorPid}: Mounted): string {
	return `mounted on ${mountpoint} ${waysInWords[way]} (device ${device}, supervisor ${supervisorPid})`;
}
