import {assertUtf8} from '../argument-bytes.ts';
import {CliError, UsageError} from '../cli-error.ts';
import {log, setLogLevel} from '../log.ts';
import {parseCall} from '../mount/called-by-mount8.ts';
import {findPrograms, type Programs} from '../mount/launch.ts';
import {parseMountOptions} from '../mount/options.ts';
import {parseSandbox} from '../mount/sandbox-options.ts';
import {mount} from './mount.ts';

export const usage = `Usage: mount -t fuse.ext4box SOURCE DIR [-o OPTIONS]
       mount.fuse.ext4box SOURCE DIR [-sfnv] [-o OPTIONS] [-t TYPE]

What mount(8) calls for a file system of the type fuse.ext4box, from its command line and from
/etc/fstab, once "make -C mount-helper install" was run. SOURCE is a file or a block device.

  -o OPTIONS   those of "ext4box mount --help"; those of fstab and of mount(8) itself (user, users,
               noauto, nofail, _netdev, x-systemd.*, comment=...) are accepted. rw is what a mount is
               where SOURCE may be written to; else it is read-only, and that is said
  -t TYPE      fuse.ext4box, or fuse.ext4, .ext3, .ext2: as subtype=
  -f           fake: read the options, mount nothing
  -s           sloppy: leave out options that are not known
  -n           without effect: nothing is written to /etc/mtab
  -v           say which way was taken
  -h, --help   show this text

In /etc/fstab, for one disk that its owner mounts with "mount /home/ann/card":
  UUID=...  /home/ann/card  fuse.ext4box  user,noauto,map=me  0  0

DIR must belong to who mounts, and SOURCE be open to them: docs/fstab.md.

Exit status, as mount(8) has it: 0 mounted, 1 wrong usage, 32 the mount failed.
`;

const statusUsage = 1;
const statusFailed = 32;

/** `ext4box mount.fuse`: see usage. Tests give other programs to start. */
export async function run(args: string[], programs?: Programs): Promise<number> {
	try {
		assertUtf8(args);
		return (await answer(args, programs)) === 0 ? 0 : statusFailed;
	} catch (error) {
		if (!(error instanceof CliError)) throw error;
		throw new CliError(error.message, error instanceof UsageError ? statusUsage : statusFailed);
	}
}

async function answer(args: readonly string[], programs?: Programs): Promise<number> {
	setLogLevel('info');
	const call = parseCall(args);
	const leaveOut = (piece: string): void => log.info(`left out: option ${JSON.stringify(piece)}`);
	const options = call.isSloppy
		? parseMountOptions(call.lists, leaveOut)
		: parseMountOptions(call.lists);
	if (call.isFake) return 0;
	return await mount(
		{
			image: call.source,
			directory: call.directory,
			options,
			isForeground: false,
			sandbox: parseSandbox({}),
			isVerbose: call.isVerbose,
		},
		programs ?? findPrograms(),
	);
}
