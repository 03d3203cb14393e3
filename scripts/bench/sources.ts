/**
 * What the writing half of the bench writes: archives and a repository, made once and kept beside
 * the work image. None of it lies on a file system that is measured.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {CommandError, timeCommand} from './command.ts';
import {treeName, writeTree} from './image.ts';

export type Sources = {
	/** A tree of small files, as `treeName`. */
	readonly tree: string;
	/** A C project of some size that needs nothing but a compiler: GNU libiberty. */
	readonly project: string;
	/** This project's own repository, bare. */
	readonly repository: string;
};

const treeFiles = 10_000;
const treeDirectories = 500;
/** Debian's package of a source that brings its own configure script. */
export const projectPackage = 'binutils-source';
const projectArchives = '/usr/src/binutils';
/** What libiberty needs of it. */
const projectParts = [
	...['libiberty', 'include', 'config', 'config.guess', 'config.sub', 'install-sh', 'missing'],
	...['mkinstalldirs', 'config-ml.in', 'move-if-change', 'symlink-tree'],
];

export function sourcesIn(directory: string): Sources {
	return {
		tree: path.join(directory, 'tree.tar'),
		project: path.join(directory, 'project.tar'),
		repository: path.join(directory, 'repository.git'),
	};
}

/** Makes what is not there yet. Throws `CommandError` that says what is missing. */
export async function prepareSources(sources: Sources): Promise<void> {
	await make(sources.tree, makeTree);
	await make(sources.project, makeProject);
	await make(sources.repository, makeRepository);
}

/** Under another name first: what was interrupted is not taken for whole. */
async function make(target: string, how: (into: string, scratch: string) => Promise<void>) {
	if (fs.existsSync(target)) return;
	process.stderr.write(`bench: making ${target}\n`);
	const scratch = fs.mkdtempSync(`${target}.making-`);
	try {
		const into = path.join(scratch, 'made');
		await how(into, scratch);
		fs.renameSync(into, target);
	} finally {
		fs.rmSync(scratch, {recursive: true, force: true});
	}
}

async function makeTree(into: string, scratch: string) {
	await writeTree(path.join(scratch, treeName), {files: treeFiles, directories: treeDirectories});
	await timeCommand({program: 'tar', args: ['-C', scratch, '-cf', into, treeName]});
}

async function makeProject(into: string, scratch: string) {
	const archive = fs.existsSync(projectArchives)
		? fs.readdirSync(projectArchives).find(name => name.endsWith('.tar.xz'))
		: undefined;
	if (archive === undefined) throw new CommandError(`${projectPackage} is not installed`);
	const top = archive.slice(0, -'.tar.xz'.length);
	const parts = projectParts.map(part => `${top}/${part}`);
	const packed = path.join(projectArchives, archive);
	await timeCommand({program: 'tar', args: ['-C', scratch, '-xf', packed, ...parts]});
	fs.renameSync(path.join(scratch, top), path.join(scratch, 'project'));
	await timeCommand({program: 'tar', args: ['-C', scratch, '-cf', into, 'project']});
}

async function makeRepository(into: string) {
	const own = path.resolve(import.meta.dirname, '../..');
	await timeCommand({program: 'git', args: ['clone', '-q', '--bare', own, into]});
}
