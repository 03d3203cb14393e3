/**
 * Cases of an ordinary user who means ill against the privileged helper: whatever that user gives it,
 * there is no mount, no open file and no process that the policy does not permit.
 *
 * The helper counts a user's mounts over the whole machine, where other tests mount at the same time.
 * So each file of cases, which is a process, has a user of its own, who mounts nowhere else, and a word
 * of its own, by which its mounts are known.
 */
import {execFileSync} from 'node:child_process';
import {
	chmodSync,
	chownSync,
	mkdirSync,
	readdirSync,
	readlinkSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import type {Mount} from '../../src/mount/mounts.ts';
import {Installation, mountsNamed} from './installed.ts';
import {type Ended, Playground, type User, until, whyNoRoot} from './mounting.ts';

/** What the stand-in server is told: to serve. */
export const config = '{"mode":"serve"}';
/** Owns what is foreign, and mounts now and then. */
export const stranger: User = {uid: 4242, gid: 4242};
/**
 * Generous: who makes a mount namespace meanwhile holds our mount in it, and a server is killed only half
 * a minute after it was told to end.
 */
export const goneWithinMs = 60_000;

/** With a number that nobody gives out, for each process another. */
function userOf(pid: number): User {
	const id = 1_000_000_000 + pid;
	return {uid: id, gid: id};
}

export type Body = (t: ExecutionContext, place: Playground) => Promise<void> | void;

/** What the helper is asked for; what is left out is in order. */
export type Asked = {
	readonly image?: string;
	readonly mountpoint?: string;
	readonly fsname?: string;
	readonly options?: readonly string[];
	readonly sandbox?: readonly string[];
	readonly server?: readonly string[];
};

export type Made = Ended & {
	readonly made: Mount | undefined;
	readonly supervisor: number;
	readonly id: string;
	readonly device: string;
};

/** Prepares something in the user's place, and returns its path. */
export type Prepared = (place: Playground) => string;

/** What all cases of a file share. */
export class Abuse {
	readonly word: string;
	readonly user: User;
	readonly #why: string | null;
	#installation: Installation | undefined;

	/** @param why Why these can't be here, besides what is so for all. */
	constructor(word: string, why: string | null = null, user: User = userOf(process.pid)) {
		this.word = `${word}-${process.pid}`;
		this.user = user;
		this.#why = whyNoRoot() ?? why;
		if (this.#why === null) {
			test.before(() => {
				this.#installation = new Installation();
			});
			test.after.always(() => this.#installation?.remove());
		}
	}

	get installation(): Installation {
		if (this.#installation === undefined) throw new Error('before the tests');
		return this.#installation;
	}

	/** Each in a place of the user's own, one after another; nothing may be left of any. */
	readonly abuse = (title: string, body: Body, why: string | null = null): void => {
		const reason = this.#why ?? why;
		if (reason !== null) {
			test.serial.skip(`${title} (${reason})`, () => {});
			return;
		}
		test.serial(title, async t => {
			const place = new Playground(this.user);
			try {
				await body(t, place);
			} finally {
				this.installation.restore();
				await place.close();
			}
			t.not(await until(this.isNothingLeft, goneWithinMs), null, this.describeLeft());
		});
	};

	readonly isNothingLeft = (): boolean =>
		this.mounts().length === 0 && this.installation.servers().length === 0;

	describeLeft(): string {
		const paths = this.mounts().map(mount => mount.path);
		return `left: mounts ${paths}, servers ${this.installation.servers()}`;
	}

	mounts(): Mount[] {
		return mountsNamed(this.word);
	}

	argumentsOf(place: Playground, asked: Asked = {}): string[] {
		return [
			...['mount', '--image', asked.image ?? place.image],
			...['--mountpoint', asked.mountpoint ?? place.mountpoint],
			...['--fsname', asked.fsname ?? this.word, '--report-fd', '3'],
			...(asked.sandbox ?? ['--sandbox', 'normal']),
			...(asked.options ?? ['--read-only']),
			...['--', ...(asked.server ?? [config])],
		];
	}

	async mount(place: Playground, asked: Asked = {}): Promise<Ended> {
		const ended = await place.run(this.installation.helper, ...this.argumentsOf(place, asked));
		this.remember(place, ended.report);
		return ended;
	}

	/** Supervisor, sentinel, keeper and server, to be ended with the playground. */
	remember(place: Playground, report: string): void {
		if (report.startsWith('ready')) {
			place.rememberProcess(Number(report.trim().split(' ')[4]));
		}
		for (const pid of this.installation.servers()) {
			place.rememberProcess(pid);
		}
	}

	/** Refused, with this report, and nothing was mounted or started meanwhile. */
	async assertRefused(
		t: ExecutionContext,
		place: Playground,
		asked: Asked,
		report: RegExp,
	): Promise<void> {
		const ended = await this.mount(place, asked);
		t.regex(ended.report, report);
		t.is(ended.code, 1);
		t.deepEqual(this.mounts(), []);
		t.deepEqual(this.installation.servers(), []);
	}

	async assertMounted(t: ExecutionContext, place: Playground, asked: Asked = {}): Promise<Made> {
		const ended = await this.mount(place, asked);
		t.is(ended.err, '');
		t.regex(ended.report, /^ready installed \d+ \d+:\d+ \d+\n$/);
		const [made] = this.mounts();
		const [, , id = '', device = '', supervisor] = ended.report.trim().split(' ');
		return {...ended, made, supervisor: Number(supervisor), id, device};
	}

	unmount(place: Playground, id: string, device: string, ...more: string[]): Promise<Ended> {
		const asked = ['--mountpoint', '/', '--id', id, '--device', device, '--report-fd', '3'];
		return place.run(this.installation.helper, 'unmount', ...asked, ...more);
	}

	/** The one server that runs. */
	server(): number {
		return this.installation.servers()[0] ?? 0;
	}
}

/** `FD TARGET`, sorted; numbers of pipes left out. */
export function descriptorsOf(pid: number): string[] {
	return readdirSync(`/proc/${pid}/fd`)
		.map(fd => `${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[\d+\]/, '')}`)
		.sort();
}

/** A file of the stranger's. */
export function foreignImage(mode: number, name = 'theirs.img'): Prepared {
	return place => {
		const path = join(place.folder, name);
		writeFileSync(path, '');
		truncateSync(path, 1 << 20);
		chownSync(path, stranger.uid, stranger.gid);
		chmodSync(path, mode);
		return path;
	};
}

export function linkTo(target: Prepared): Prepared {
	return place => {
		const path = join(place.folder, 'link');
		symlinkSync(target(place), path);
		return path;
	};
}

/** What a program makes at the path that is its last argument; the user's own then. */
export function madeBy(program: string, ...args: string[]): Prepared {
	return place => {
		const path = join(place.folder, 'made');
		execFileSync(program, [...args, path]);
		chownSync(path, place.user.uid, place.user.gid);
		return path;
	};
}

/** A file that all may read, in a directory that only root may enter. */
export function hidden(place: Playground): string {
	const directory = join(place.folder, 'hidden');
	mkdirSync(directory);
	const path = join(directory, 'theirs.img');
	writeFileSync(path, 'x');
	chmodSync(path, 0o644);
	chmodSync(directory, 0o700);
	return path;
}

export function folder(name: string, mode: number, owner: User): Prepared {
	return place => {
		const path = join(place.folder, name);
		mkdirSync(path);
		chownSync(path, owner.uid, owner.gid);
		chmodSync(path, mode);
		return path;
	};
}

/**
 * A file in a mount of the user's own, whose server need never answer, and a mountpoint besides. It is
 * open to others, for else the helper, which is half root, could not even open it.
 */
export async function fileOfAnother(
	t: ExecutionContext,
	cases: Abuse,
	place: Playground,
	permitted: string,
): Promise<{readonly image: string; readonly mountpoint: string}> {
	cases.installation.permit(
		`users all\nmounts_per_user 2\nnoexec no\nallow_other yes\n${permitted}\n`,
	);
	await cases.assertMounted(t, place, {options: ['--read-only', '--allow-other']});
	const mountpoint = folder('second', 0o755, place.user)(place);
	return {image: join(place.mountpoint, 'hello'), mountpoint};
}
