/** What of this package, and of what it depends on, a server in its empty root has to see. */
import {existsSync} from 'node:fs';
import {dirname, join} from 'node:path';

/** koffi's native part is a package of its own for each machine. */
const nativePackages = ['koffi', `@koromix/koffi-linux-${process.arch}`];

/** The server's sources are in all rooms; built, it is one file that holds whatever is not native. */
const sources = {files: ['src', 'ext4', 'iomap', 'images'], packages: ['crc-32']};
const built = {files: ['dist/src/server-main.js'], packages: []};

/** As Node looks for it; undefined where it lies nowhere. */
function findPackage(name: string, from: string): string | undefined {
	for (let folder = from; ; folder = dirname(folder)) {
		const path = join(folder, 'node_modules', name);
		if (existsSync(join(path, 'package.json'))) return path;
		if (dirname(folder) === folder) return undefined;
	}
}

/** Paths of the program whose package is in `root`. None lies within another. */
export function exposedFiles(root: string, isBuilt: boolean): string[] {
	const {files, packages} = isBuilt ? built : sources;
	return [
		join(root, 'package.json'),
		...files.map(name => join(root, name)),
		// One that is missing shows where it is imported, which says more than we could here.
		...[...nativePackages, ...packages].flatMap(name => findPackage(name, root) ?? []),
	];
}
