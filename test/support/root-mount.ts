/**
 * A mount without the mount helper, for tests of the server: root opens /dev/fuse, mounts it, and
 * becomes the server with descriptors 3 and 4 as the contract has them.
 */
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {grantVariable} from '../../src/grant.ts';
import {nodeFlags} from '../../src/mount/launch.ts';
import type {ServerConfig} from '../../src/mount/server-config.ts';
import {reportVariable} from '../../src/sandbox/helper-report.ts';
import {defaultConfig} from './server-config.ts';

const serverPath = fileURLToPath(new URL('../../src/server-main.ts', import.meta.url));

const script = `
exec 3<>/dev/fuse || exit 90
if [ "$ACCESS" = ro ]; then exec 4<"$IMAGE"; else exec 4<>"$IMAGE"; fi || exit 90
mount -i -t fuse.ext4box -o "fd=3,rootmode=40000,user_id=$MOUNT_UID,group_id=$MOUNT_UID,nosuid,nodev,$OPTIONS" \\
	"$IMAGE" "$DIRECTORY" || exit 91
exec "$NODE" $NODE_FLAGS "$SERVER" "$CONFIG"
`;

/** Why a mounted test can't run here; undefined if it can. */
export function whyNotMountable(): string | undefined {
	if (process.getuid?.() !== 0) return 'only root mounts directly';
	if (!fs.existsSync('/dev/fuse')) return 'there is no /dev/fuse';
	return undefined;
}

export class RootMount implements AsyncDisposable {
	readonly directory: string;
	readonly #server: ChildProcess;
	/** The server's exit status. */
	readonly ended: Promise<number | null>;
	#stderr = '';

	private constructor(image: string, directory: string, config: ServerConfig) {
		this.directory = directory;
		const options = [
			config.readOnly ? 'ro' : 'rw',
			...(config.allowOther ? ['allow_other', 'default_permissions'] : []),
		].join(',');
		this.#server = spawn('sh', ['-c', script], {
			// Its input tells a server that writes when to end: not before we do.
			stdio: [config.readOnly ? 'ignore' : 'pipe', 'pipe', 'pipe'],
			env: {
				PATH: process.env['PATH'],
				NODE_FLAGS: process.env['NODE_FLAGS'] ?? nodeFlags.join(' '),
				IMAGE: image,
				ACCESS: config.readOnly ? 'ro' : 'rw',
				DIRECTORY: directory,
				OPTIONS: options,
				MOUNT_UID: String(config.mounterUid),
				NODE: process.execPath,
				SERVER: serverPath,
				CONFIG: JSON.stringify(config),
				// No helper, no sandbox: test/sandbox has servers with both.
				[reportVariable]: 'wanted\toff\nrequired\toff\n',
				// Root mounts, and a kernel that has iomap gives it to whom root mounts for.
				[grantVariable]: 'iomap\tgranted\t\nloop\tnone\t\n',
			},
		});
		this.#server.stderr?.on('data', chunk => {
			this.#stderr += String(chunk);
		});
		this.ended = new Promise(resolve => this.#server.once('exit', code => resolve(code)));
	}

	/** What the server has written to its stderr. */
	get stderr(): string {
		return this.#stderr;
	}

	/** Rejects with the server's last words where it does not become ready. */
	static async open(image: string, config: Partial<ServerConfig> = {}): Promise<RootMount> {
		const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-mount-'));
		const mount = new RootMount(image, directory, {...defaultConfig, ...config});
		const ready = new Promise<string>(resolve => {
			mount.#server.stdout?.once('data', chunk => resolve(String(chunk)));
		});
		const first = await Promise.race([ready, mount.ended]);
		if (first === 'R') return mount;
		await mount[Symbol.asyncDispose]();
		throw new Error(`the server said ${JSON.stringify(first)}: ${mount.#stderr}`);
	}

	signal(name: NodeJS.Signals): void {
		this.#server.kill(name);
	}

	/** Unmounts; resolves to the server's exit status. */
	async close(): Promise<number | null> {
		execFileSync('umount', [this.directory], {stdio: 'pipe'});
		const code = await this.ended;
		fs.rmdirSync(this.directory);
		return code;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (!fs.existsSync('/proc/self/mountinfo')) return;
		const table = fs.readFileSync('/proc/self/mountinfo', 'utf8');
		if (table.includes(` ${this.directory} `)) {
			execFileSync('umount', ['-l', this.directory], {stdio: 'pipe'});
		}
		this.#server.kill('SIGKILL');
		await this.ended;
		if (fs.existsSync(this.directory)) fs.rmdirSync(this.directory);
	}
}
