/** What the system says of a call that failed, in words for users. */
import {getSystemErrorMessage} from 'node:util';

/** `no space left on device`; for what is no error of the system, its own message. */
export function systemErrorText(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	if (!('errno' in error && typeof error.errno === 'number')) return error.message;
	// Node has them negative, and some of ours are as errno(3) has them.
	return getSystemErrorMessage(-Math.abs(error.errno));
}
