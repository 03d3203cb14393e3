/** Arguments that are not UTF-8: what names a file may be any bytes. */
import {readFileSync} from 'node:fs';
import {UsageError} from './cli-error.ts';

/** What may stand before a value inside one argument: `--output=DIR`, `-oDIR`. */
const optionPattern = /^(?:--[^=]*=|-[a-zA-Z])/;

/**
 * The bytes of an argument: what is not UTF-8 reaches JavaScript as U+FFFD, and is looked up where
 * the kernel keeps it. Image paths and paths in images may hold any bytes.
 */
export function argumentBytes(argument: string): Uint8Array {
	if (!argument.includes('\ufffd')) return Buffer.from(argument);
	const line = readFileSync('/proc/self/cmdline');
	let from = 0;
	for (let end = line.indexOf(0); end >= 0; end = line.indexOf(0, from)) {
		const bytes = line.subarray(from, end);
		const text = bytes.toString();
		const prefix = optionPattern.exec(text)?.[0].length ?? 0;
		if (text === argument) return bytes;
		if (prefix > 0 && text.slice(prefix) === argument) return bytes.subarray(prefix);
		from = end + 1;
	}
	return Buffer.from(argument);
}

/**
 * For what is handed to another program: Node can pass on no arguments but UTF-8, and would change
 * others in silence. Throws `UsageError`.
 */
export function assertUtf8(args: readonly string[]): void {
	for (const argument of args) {
		if (Buffer.compare(argumentBytes(argument), Buffer.from(argument)) === 0) continue;
		throw new UsageError(
			`${JSON.stringify(argument)} is not UTF-8, and can't be passed on: use a symbolic link`,
		);
	}
}
