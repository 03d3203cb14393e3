/** The two judges of an image after a test: e2fsck, and our own checker. */
import {resolve} from 'node:path';
import {runCommand} from './commands.ts';

const program = resolve(import.meta.dirname, '../../../bin/ext4box');

/** What they find, a text each; nothing for an image that is clean. Changes nothing. */
export function checkImage(image: string): string[] {
	const judges = [
		['e2fsck', '-fn', image],
		[program, 'check', image],
	];
	return judges.flatMap(([judge = '', ...args]) => {
		const {status, out, err} = runCommand(judge, args);
		if (status === 0) return [];
		const name = judge === program ? 'ext4box check' : judge;
		return `${name} is not content with the image: status ${status}\n${out}${err}`;
	});
}
