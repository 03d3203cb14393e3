/** Files without a name: they go away with their last descriptor, however a test ends. */
import {mkdtempSync, openSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** Returns a descriptor, to read and to write, of a file that holds `bytes`. */
export function openUnnamed(bytes: Uint8Array): number {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-unnamed-'));
	try {
		const path = join(folder, 'file');
		writeFileSync(path, bytes);
		return openSync(path, 'r+');
	} finally {
		rmSync(folder, {recursive: true});
	}
}
