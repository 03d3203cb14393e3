/** Tests that need what a machine may lack are reported as skipped, and say why in their title. */
import {spawnSync} from 'node:child_process';
import test, {type ExecutionContext} from 'ava';

type Implementation = (t: ExecutionContext) => void | Promise<void>;

/** Runs the test where `why` is undefined or null, else shows it as skipped for that reason. */
export function testUnless(
	why: string | undefined | null,
	title: string,
	implementation: Implementation,
): void {
	if (why === undefined || why === null) test(title, implementation);
	else test.skip(`${title} (skipped: ${why})`, implementation);
}

/** As `testUnless`, one after another. */
export function serialTestUnless(
	why: string | undefined | null,
	title: string,
	implementation: Implementation,
): void {
	if (why === undefined || why === null) test.serial(title, implementation);
	else test.serial.skip(`${title} (skipped: ${why})`, implementation);
}

/** Why a test that runs `program` can't; undefined where it is installed. */
export function missing(program: string): string | undefined {
	const found = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
	return found ? undefined : `${program} is not installed`;
}
