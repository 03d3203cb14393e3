/** What a test expects of a damaged image. */
import {type CorruptCode, CorruptError} from '../../ext4/errors.ts';

/** Runs `read`, which must throw `CorruptError` with this code; returns it. */
export function corruptBy(code: CorruptCode, read: () => unknown): CorruptError {
	try {
		read();
	} catch (error) {
		if (!(error instanceof CorruptError)) throw error;
		if (error.code !== code) throw new Error(`${error.code} instead of ${code}: ${error.message}`);
		return error;
	}
	throw new Error(`nothing was thrown; expected ${code}`);
}
