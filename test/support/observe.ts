/**
 * What a user sees of a file system, without times: names, types, owners, links, sizes, attributes
 * and contents. Two observations tell whether one state is another.
 */
import {
	forEachEntry,
	getXattr,
	type Inode,
	listXattrs,
	readSymlink,
	type Volume,
} from '../../ext4/index.ts';
import {Mapper, readRange} from '../../iomap/index.ts';

export type ObservedFile = {
	/** All that is seen but the contents. */
	readonly facts: string;
	/** Tells a file under all its names, and from a later one of the same number. */
	readonly identity: string;
	/** Of regular files. */
	readonly content: Uint8Array | undefined;
};

/** By path from the root, which is ''. */
export type Observation = {
	readonly files: ReadonlyMap<string, ObservedFile>;
	/** Equal where all but contents is equal. */
	readonly signature: string;
};

function factsOf(volume: Volume, inode: Inode): string {
	const xattrs = listXattrs(volume, inode).map(({name}) => {
		const value = getXattr(volume, inode, name) ?? new Uint8Array(0);
		return `${name}=${Buffer.from(value).toString('base64')}`;
	});
	const target = inode.type === 'symlink' ? Buffer.from(readSymlink(volume, inode)) : '';
	const {type, mode, uid, gid, linkCount, projectId, generation} = inode;
	const size = type === 'directory' ? '' : inode.sizeBytes;
	return [
		type,
		mode,
		uid,
		gid,
		linkCount,
		size,
		projectId,
		generation,
		target,
		...xattrs.sort(),
	].join(' ');
}

function entriesOf(volume: Volume, directory: Inode): [name: string, inode: number][] {
	const entries: [string, number][] = [];
	forEachEntry(volume, directory, 0, (bytes, start, length, inode) => {
		const name = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
		if (name !== '.' && name !== '..') entries.push([name, inode]);
		return true;
	});
	return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Throws what reading throws: a state that can't be read whole is no state that is allowed. */
export function observe(volume: Volume, mapper = new Mapper(volume)): Observation {
	const files = new Map<string, ObservedFile>();
	const waiting: [path: string, inode: number][] = [['', 2]];
	for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
		const [path, number] = next;
		const inode = volume.readInode(number);
		let content: Uint8Array | undefined;
		if (inode.type === 'file') {
			content = new Uint8Array(inode.sizeBytes);
			readRange(mapper, inode, 0, content);
		}
		const identity = `${number}.${inode.generation}`;
		files.set(path, {facts: factsOf(volume, inode), identity, content});
		if (inode.type !== 'directory') continue;
		for (const [name, child] of entriesOf(volume, inode)) waiting.push([`${path}/${name}`, child]);
	}
	const lines = [...files].map(([path, file]) => `${path} ${file.identity} ${file.facts}`);
	return {files, signature: lines.sort().join('\n')};
}
