/** The listing of an image through a mount by `ext4box mount`, made by the reference's own program. */
import {spawnSync} from 'node:child_process';
import {
	chmodSync,
	chownSync,
	copyFileSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {parseMountinfo} from '../../src/mount/mounts.ts';
import type {Listing} from '../support/listing.ts';
import type {User} from '../support/mounting.ts';
import {hashFile, listingProgram} from './material.ts';

const program = join(import.meta.dirname, '../../src/cli.ts');

/** For 65,000 directories the reference's own program takes more than five minutes on a busy machine. */
export const listingMilliseconds = 1_200_000;

type Outcome = {readonly status: number | null; readonly stdout: string; readonly stderr: string};

export class MountedImage {
	readonly #user: User;
	readonly #folder: string;
	readonly #image: string;
	readonly #mountpoint: string;
	readonly #listing: string;
	readonly #hash: string;

	/** Works on a copy, which the user may read. */
	constructor(image: string, user: User) {
		this.#user = user;
		this.#folder = realpathSync(mkdtempSync(join(tmpdir(), 'ext4box-reference-')));
		this.#image = join(this.#folder, 'disk.img');
		this.#mountpoint = join(this.#folder, 'mnt');
		this.#listing = join(this.#folder, 'ref-listing.mjs');
		chmodSync(this.#folder, 0o755);
		spawnSync('cp', ['--sparse=always', image, this.#image]);
		chmodSync(this.#image, 0o444);
		this.#hash = hashFile(this.#image);
		mkdirSync(this.#mountpoint);
		if (process.getuid?.() === 0) chownSync(this.#mountpoint, user.uid, user.gid);
		copyFileSync(listingProgram, this.#listing);
		chmodSync(this.#listing, 0o644);
		// O_NOATIME is for owners only; an ordinary mounter does not own what the image shows.
		const text = readFileSync(this.#listing, 'utf8');
		writeFileSync(this.#listing, text.replace('| fs.constants.O_NOATIME', ''));
	}

	#run(args: readonly string[]): Outcome {
		const {status, stdout, stderr} = spawnSync(process.execPath, args, {
			...(process.getuid?.() === 0 ? this.#user : {}),
			cwd: '/',
			env: {PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC', TMPDIR: this.#folder},
			encoding: 'utf8',
			maxBuffer: 2 ** 30,
			timeout: listingMilliseconds,
		});
		return {status, stdout, stderr};
	}

	mount(options: string): Outcome {
		return this.#run([program, 'mount', this.#image, this.#mountpoint, '-o', options]);
	}

	/** Throws where the mount does not answer as a file system should. */
	list(): Listing {
		const result = this.#run([this.#listing, '--mounted', this.#mountpoint]);
		if (result.status !== 0) throw new Error(`ref-listing: ${result.stderr}`);
		return JSON.parse(result.stdout) as Listing;
	}

	unmount(): Outcome {
		return this.#run([program, 'umount', this.#mountpoint]);
	}

	get isMounted(): boolean {
		const mounts = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
		return mounts.some(mount => mount.path === this.#mountpoint);
	}

	/** Whether the image is bit for bit what it was. */
	get isUnchanged(): boolean {
		return hashFile(this.#image) === this.#hash;
	}

	close(): void {
		if (this.isMounted) this.unmount();
		if (this.isMounted) spawnSync('umount', ['-l', this.#mountpoint]);
		if (!this.isMounted) rmSync(this.#folder, {recursive: true, force: true});
	}
}

/** The reference without what an ordinary user is not shown: attributes in the name space of root. */
export function asOrdinaryUser(reference: Listing): Listing {
	const entries = reference.entries.map(entry => {
		if (entry.xattrs === undefined) return entry;
		const shown = Object.entries(entry.xattrs).filter(([name]) => !name.startsWith('trusted.'));
		return {...entry, xattrs: Object.fromEntries(shown)};
	});
	return {...reference, entries};
}
