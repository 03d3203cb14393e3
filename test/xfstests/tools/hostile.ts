/**
 * Images that somebody has damaged with intent, and what a server may do about them: refuse to mount,
 * or answer errors. It may not end, hang, or answer as one that is at a loss (status 70).
 */
import {
	closeSync,
	constants,
	ftruncateSync,
	lstatSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	readSync,
	renameSync,
	rmdirSync,
	statfsSync,
	unlinkSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {calls, type TestContext} from '../api.ts';
import {CommandError, mustRun} from '../runner/commands.ts';

/** An image in memory, and where things lie in it, in bytes. */
export class HostileImage {
	readonly bytes: Buffer;
	readonly blockBytes: number;
	readonly #path: string;

	constructor(path: string) {
		this.#path = path;
		this.bytes = readFileSync(path);
		this.blockBytes = 1024 << this.bytes.readUInt32LE(1024 + 0x18);
	}

	/** Of a path's inode, or of one given as `<N>`. */
	inode(path: string): number {
		const [, block, offset] =
			/block (\d+), offset (0x[\da-f]+)/.exec(this.#ask(`imap ${path}`)) ?? [];
		return Number(block) * this.blockBytes + Number(offset);
	}

	/** Of a data block of a file or directory, counted from 0. */
	block(path: string, index = 0): number {
		const blocks = this.#ask(`blocks ${path}`).trim().split(/\s+/);
		return Number(blocks[index]) * this.blockBytes;
	}

	save(): void {
		writeFileSync(this.#path, this.bytes);
	}

	#ask(request: string): string {
		return mustRun('debugfs', '-R', request, this.#path);
	}
}

/** What it is, and how it is done. */
export type Damage = readonly [name: string, apply: (image: HostileImage) => void];

/** Metadata without checksums: damage is met by the code that uses it, not by the first to sum it up. */
export const uncheckedImage = {
	mkfs: ['-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,^uninit_bg', '-J', 'size=1'],
	size: '8M',
	leftDamaged: 'every image is damaged with intent',
} as const;

const entriesMax = 600;
/** The server has gone. */
const deadly = new Set(['ENOTCONN', 'ECONNABORTED', 'ECONNREFUSED']);

/** Prints a line a damage. The image is used as it is, unmounted, as what all of them start from. */
export function survive(t: TestContext, damages: readonly Damage[]): void {
	if (t.place.isMounted) t.unmount();
	const pristine = readFileSync(t.image);
	for (const [name, apply] of damages) {
		writeFileSync(t.image, pristine);
		const image = new HostileImage(t.image);
		apply(image);
		if (image.bytes.equals(pristine)) throw new Error(`${name}: nothing is damaged by it`);
		image.save();
		if (!isRefused(t, name)) {
			const codes = exercise(t.dir);
			t.full(`${name}: mounted; ${[...codes].sort().join(' ')}`);
			const died = [...codes].find(code => deadly.has(code));
			if (died !== undefined) throw new Error(`${name}: the server is gone (${died})`);
			t.unmount();
		}
		t.print(`${name}: survived`);
	}
}

/** For tests of which the others must be spared. */
export function onlyForTheBrave(t: TestContext): void {
	if (t.system === 'ext4box') return;
	t.notRun(
		t.system === 'kernel'
			? 'a running kernel must not be fed such an image'
			: 'it does not claim to bear hostile images',
	);
}

/** What a refusal names: the fault lies with the image. Without it the server may have died of it. */
const fault = /: status 1\n.*\[(EXT4|IMAGE)_[A-Z0-9_]+\]\n/;

function isRefused(t: TestContext, name: string): boolean {
	try {
		t.mount();
		return false;
	} catch (error) {
		if (!(error instanceof CommandError) || !fault.test(error.message)) throw error;
		t.full(`${name}: refused: ${error.message.split('\n')[1]}`);
		return true;
	}
}

/** Uses all that is there in all ways. Returns the errors that were answered. */
function exercise(root: string): Set<string> {
	const codes = new Set<string>();
	const attempt = <T>(action: () => T): T | undefined => {
		try {
			return action();
		} catch (error) {
			codes.add(calls.errorCode(error));
			return undefined;
		}
	};
	let left = entriesMax;
	const waiting = [root];
	for (let folder = waiting.pop(); folder !== undefined && left > 0; folder = waiting.pop()) {
		const at = folder;
		// As bytes: a name may be anything.
		const names = attempt(() => readdirSync(at, {encoding: 'buffer'})) ?? [];
		for (const name of names.slice(0, left)) {
			left--;
			const path = join(at, name.toString('latin1'));
			const stat = attempt(() => lstatSync(path));
			attempt(() => calls.listXattrs(path).map(one => calls.getXattr(path, one)));
			// A directory may be below itself: names grow until the path is too long.
			if (stat?.isDirectory() === true) waiting.push(path);
			if (stat?.isSymbolicLink() === true) attempt(() => readlinkSync(path));
			if (stat?.isFile() === true) use(path, attempt);
		}
	}
	attempt(() => statfsSync(root));
	attempt(() => mkdirSync(join(root, 'new')));
	for (let index = 0; index < 40; index++) {
		attempt(() => writeFileSync(join(root, `new/file-${index}`), 'n'.repeat(index * 300)));
	}
	attempt(() => renameSync(join(root, 'new/file-1'), join(root, 'renamed')));
	attempt(() => unlinkSync(join(root, 'renamed')));
	attempt(() => rmdirSync(join(root, 'new')));
	return codes;
}

/** Of a regular file: its beginning, its end, and behind it. */
function use(path: string, attempt: <T>(action: () => T) => T | undefined): void {
	const file = attempt(() => openSync(path, constants.O_RDWR));
	if (file === undefined) return;
	const bytes = Buffer.alloc(65_536);
	const size = attempt(() => lstatSync(path, {bigint: true}).size) ?? 0n;
	for (const position of [0n, size / 2n, size > 65_536n ? size - 65_536n : 0n]) {
		attempt(() => readSync(file, bytes, 0, bytes.length, position));
	}
	attempt(() => calls.lseek(file, 0, calls.seeking.hole));
	attempt(() => writeSync(file, bytes, 0, 3000, 500));
	attempt(() => calls.fallocate(file, calls.allocate.keepSize, 0, 100_000));
	attempt(() => ftruncateSync(file, 700));
	attempt(() => closeSync(file));
}
