/** Which ext4box this is. */
import * as fs from 'node:fs';
import {join} from 'node:path';

/** As package.json has it; undefined where that is not in its place. */
export function programVersion(): string | undefined {
	// Two floors up from dist/src/, one from src/.
	for (const above of ['../..', '..']) {
		const path = join(import.meta.dirname, above, 'package.json');
		if (!fs.existsSync(path)) continue;
		const {name, version} = JSON.parse(fs.readFileSync(path, 'utf8')) as {[key: string]: unknown};
		if (name === 'ext4box') return String(version);
	}
	return undefined;
}
