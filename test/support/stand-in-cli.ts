/**
 * `ext4box mount|umount|run` with a server in the real one's place and a helper of one's choice:
 *
 *   node stand-in-cli.ts HELPER SERVER MODE COMMAND [ARGUMENT...]
 */
import {CliError} from '../../src/cli-error.ts';
import * as mount from '../../src/commands/mount.ts';
import * as run from '../../src/commands/run.ts';
import * as umount from '../../src/commands/umount.ts';
import type {Programs} from '../../src/mount/launch.ts';

type Command = {run(args: string[], programs: Programs): Promise<number>};

const commands = new Map<string, Command>([
	['mount', mount],
	['umount', umount],
	['run', run],
]);
const [helper = '', server = '', mode = '', name = '', ...args] = process.argv.slice(2);

try {
	const command = commands.get(name);
	if (command === undefined) {
		throw new Error(`no command ${name}`);
	}
	process.exitCode = await command.run(args, {helper, server: [server, mode], exposed: []});
} catch (error) {
	if (!(error instanceof CliError)) {
		throw error;
	}
	process.stderr.write(`ext4box: ${error.message}\n`);
	process.exitCode = error.exitCode;
}
