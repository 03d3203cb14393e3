/** e2fsprogs as an oracle; its programs lie outside an ordinary user's PATH. */
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};

export const hasDebugfs = spawnSync('debugfs', ['-V'], {env}).error === undefined;

/** Runs debugfs commands, any bytes in them, and returns what it prints. */
export function debugfs(commands: readonly Uint8Array[], image?: string): string {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-debugfs-'));
	try {
		const script = join(folder, 'commands');
		writeFileSync(script, Buffer.concat(commands.flatMap(line => [line, Buffer.from('\n')])));
		const open = image === undefined ? [] : ['-w', image];
		const output = execFileSync('debugfs', ['-f', script, ...open], {
			env,
			stdio: ['ignore', 'pipe', 'ignore'],
			maxBuffer: 2 ** 28,
		});
		return output.toString('latin1');
	} finally {
		rmSync(folder, {recursive: true});
	}
}

/** Runs one of its other programs; throws where its exit status is not among `expected`. */
export function e2fsprogs(program: string, args: readonly string[], expected = [0]): string {
	const result = spawnSync(program, args, {env, encoding: 'utf8'});
	if (result.status === null || !expected.includes(result.status)) {
		throw new Error(`${program} ${args.join(' ')}: ${result.status}\n${result.stderr}`);
	}
	return result.stdout;
}
