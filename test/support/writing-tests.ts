/** Tests of mounts that write: each with an image of its own, skipped where nothing can be mounted. */
import test, {type ExecutionContext} from 'ava';
import {buildTools, whyNoFuse, whyNoFusermount3, whyNoRoot} from './mounting.ts';
import {missing} from './skip.ts';
import {WritableImage, type WritableOptions} from './writable-mount.ts';

const lacking = missing('mke2fs') ?? missing('e2fsck') ?? whyNoFuse();

test.before(() => {
	if (lacking === null) buildTools();
});

export type Body = (t: ExecutionContext, place: WritableImage) => Promise<void> | void;

/** A test in a place made by `options`; skipped for `reason`, where there is one. */
export function writes(
	title: string,
	body: Body,
	options: WritableOptions = {},
	reason: string | null | undefined = null,
): void {
	const why = lacking ?? reason ?? (options.isOrdinary ? whyNoFusermount3() : whyNoRoot());
	if (why !== null && why !== undefined) {
		test.serial.skip(`${title} (skipped: ${why})`, () => {});
		return;
	}
	test.serial(title, async t => {
		await using place = new WritableImage(options);
		await body(t, place);
	});
}

/** As root, and as an ordinary user. */
export function bothWrite(title: string, body: Body, options: WritableOptions = {}): void {
	writes(`${title}, as root`, body, options);
	writes(`${title}, as an ordinary user`, body, {...options, isOrdinary: true});
}

/** The errno's name that `action` fails with. */
export function codeOf(action: () => unknown): string {
	try {
		action();
		return 'no error';
	} catch (error) {
		return String((error as NodeJS.ErrnoException).code);
	}
}

/** A script: files, links, a pipe, holes, times and modes, in the folder `tree`. */
export const makeTree = `
mkdir -p tree/a/b tree/c
for n in 1 2 3 4 5 6 7 8 9; do echo "file $n" > tree/a/f$n; done
head -c 3000000 /dev/urandom > tree/big
ln tree/big tree/c/link
ln -s ../big tree/c/symlink
ln -s ${'long/'.repeat(40)} tree/c/long
mkfifo tree/pipe
truncate -s 1000000 tree/sparse
printf x | dd of=tree/sparse bs=1 seek=500000 conv=notrunc status=none
touch -d '2100-02-03 04:05:06.789012345' tree/a/f1
chmod 4755 tree/a/f2
`;
