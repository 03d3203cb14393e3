/** e2fsck as the one who recovers what a crash has left. */
import {run} from '../stress/program.ts';

/** What e2fsck may say while it replays a journal and frees what nobody has open any more. */
const harmless = [
	/^e2fsck /,
	/^Pass \d/,
	/: recovering journal$/,
	/^Clearing orphaned inode /,
	/^Truncating orphaned inode /,
	/^Superblock last (mount|write) time is in the future/,
	/FILE SYSTEM WAS MODIFIED/,
	/^\s*\(by less than a day/,
	/files \(.*\), \d+\/\d+ blocks$/,
	// The kernel, too, has it on for as long as a file system is mounted.
	/^Feature orphan_present is set but orphan file is clean\.$/,
	// e2fsck frees what the orphan file names, and then wants to empty the file.
	/^Orphan file \(inode \d+\) block \d+ is not clean\.$/,
	/^Clear\? yes$/,
	/^Fix\? yes$/,
	/^Update quota info for quota type \d\? yes$/,
	/^\[QUOTA WARNING\] Usage inconsistent/,
	/^$/,
];

/** What the kernel's ext4 leaves, besides. */
const kernels = [
	// It sums them up anew when it mounts, and does not log them.
	/^Free (blocks|inodes) count wrong \(\d+, counted=\d+\)\.$/,
	// Nor does it make a tree lower than it once was.
	/^Inode \d+ extent tree \(at level \d\) could be (shorter|narrower)\. {2}Optimize\? yes$/,
	/^Pass 1E: Optimizing extent trees$/,
];

/**
 * Has e2fsck recover an image. Throws where it finds anything that no crash may leave; `isKernels`:
 * that the kernel's ext4 leaves none.
 */
export function recoverByE2fsck(path: string, isKernels = false): void {
	const allowed = isKernels ? [...harmless, ...kernels] : harmless;
	const {status, out, err} = run('e2fsck', '-fy', path);
	const lines = `${out}\n${err}`.split('\n');
	const odd = lines.filter(line => !allowed.some(pattern => pattern.test(line)));
	if (status === null || status > 1 || odd.length > 0) {
		throw new Error(`e2fsck -fy: status ${status}\n${out}${err}`);
	}
}
