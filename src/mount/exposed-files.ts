/** What of this package, and of what it depends on, a server in its empty root has to see. */
import {existsSync} from 'node:fs';
import {dirname, join, relative, sep} from 'node:path';

/** What the server imports. koffi's native part is a package of its own for each machine. */
const packages = ['koffi', `@koromix/koffi-linux-${process.arch}`, 'crc-32'];
const rooms = ['src', 'ext4', 'iomap', 'images'];

/** As Node looks for it; undefined where it lies nowhere. */
function findPackage(name: string, from: string): string | undefined {
	for (let folder = from; ; folder = dirname(folder)) {
		const path = join(folder, 'node_modules', name);
		if (existsSync(join(path, 'package.json'))) return path;
		if (dirname(folder) === folder) return undefined;
	}
}

/**
 * Paths of the program whose package is in `root` and whose sources, or what was built of them, are
 * in `source`. None lies within another.
 */
export function exposedFiles(root: string, source: string): string[] {
	const [top] = relative(root, source).split(sep);
	// In the package all that was built is in one folder.
	const code = top === 'src' ? rooms : [top ?? ''];
	return [
		join(root, 'package.json'),
		...code.map(name => join(root, name)),
		// One that is missing shows where it is imported, which says more than we could here.
		...packages.flatMap(name => findPackage(name, root) ?? []),
	];
}
