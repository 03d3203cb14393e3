/**
 * Mounts of a namespace of one's own: whoever else on the machine makes a namespace, such as a
 * sandbox, while a test's mount is there, would take a copy of it along, and the file system
 * would not end with our unmounting.
 */
import {spawn} from 'node:child_process';
import {constants} from 'node:os';
import {runCommand} from './commands.ts';

const mark = 'XFSTESTS_NAMESPACE';

/** Whether the runner should start itself again with `runInNamespace`; as a user it can't. */
export function wantsNamespace(): boolean {
	if (process.env[mark] !== undefined || process.geteuid?.() !== 0) return false;
	return runCommand('unshare', ['--mount', 'true']).status === 0;
}

/** Runs this program in a mount namespace; its exit status. */
export function runInNamespace(): Promise<number> {
	const args = ['--mount', '--propagation', 'private', process.execPath, ...process.argv.slice(1)];
	const child = spawn('unshare', args, {stdio: 'inherit', env: {...process.env, [mark]: 'own'}});
	return new Promise((resolve, reject) => {
		child.once('error', reject);
		child.once('exit', (status, signal) => {
			resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal]));
		});
	});
}
