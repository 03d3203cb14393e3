/** Whether what a volume shows is what the model has. */
import {
	forEachEntry,
	getXattr,
	type Inode,
	listXattrs,
	readSymlink,
	type Volume,
} from '../../ext4/index.ts';
import {Mapper} from '../../iomap/index.ts';
import {wireForm} from './acl.ts';
import {differsAt} from './data.ts';
import {Mismatch} from './mismatch.ts';
import type {Model, Node} from './model.ts';

function assertSame(node: Node, what: string, found: unknown, wanted: unknown): void {
	const [shown, right] = [JSON.stringify(found), JSON.stringify(wanted)];
	if (shown === right) return;
	throw new Mismatch(`inode ${node.number}: ${what} is ${shown}; ${right} is right`);
}

/** All that stat(2), getxattr(2), the flags and the target show. */
export function compareInode(volume: Volume, model: Model, node: Node): void {
	const inode = volume.readReservedInode(node.number);
	const {major, minor} = node.device ?? {};
	const shown = inode.device && {major: inode.device.major, minor: inode.device.minor};
	assertSame(node, 'the type', inode.type, node.type);
	assertSame(node, 'the mode', (inode.mode & 0o7777).toString(8), node.mode.toString(8));
	assertSame(node, 'the owner', [inode.uid, inode.gid], [node.uid, node.gid]);
	assertSame(node, 'the project', inode.projectId, node.projectId);
	assertSame(node, 'the count of links', inode.linkCount, model.linkCountOf(node));
	assertSame(node, 'the device', shown, node.device && {major, minor});
	assertSame(node, 'the change time', inode.changeTime, node.changeTime);
	assertSame(node, 'the modification time', inode.modificationTime, node.modificationTime);
	assertSame(node, 'the access time', inode.accessTime, node.accessTime);
	assertSame(node, 'the flags', inode.flags & comparedFlags, node.flags & comparedFlags);
	if (node.type === 'file') assertSame(node, 'the size', inode.sizeBytes, node.contents.size);
	if (node.type === 'symlink') {
		const target = Buffer.from(readSymlink(volume, inode)).toString('latin1');
		assertSame(node, 'the target', target, node.target);
	}
	compareXattrs(volume, inode, node);
}

/** Those that the model knows: up to noatime, dirsync, project inheritance and casefold. */
const comparedFlags = 0x0001_00f8 | 0x6000_0000;

/** The attributes of a node by their full names, its ACLs among them. */
export function wantedXattrs(node: Node): Map<string, Uint8Array> {
	const wanted = new Map(node.xattrs);
	if (node.acl !== undefined) wanted.set('system.posix_acl_access', wireForm(node.acl));
	if (node.defaultAcl !== undefined) {
		wanted.set('system.posix_acl_default', wireForm(node.defaultAcl));
	}
	return wanted;
}

function compareXattrs(volume: Volume, inode: Inode, node: Node): void {
	const wanted = wantedXattrs(node);
	const names = listXattrs(volume, inode).map(({name}) => name);
	assertSame(node, 'the list of attributes', names.sort(), [...wanted.keys()].sort());
	for (const [name, value] of wanted) {
		const found = getXattr(volume, inode, name);
		assertSame(node, name, found && Buffer.from(found), Buffer.from(value));
	}
}

export function compareFile(mapper: Mapper, node: Node): void {
	const inode = mapper.volume.readReservedInode(node.number);
	assertSame(node, 'the size', inode.sizeBytes, node.contents.size);
	const position = differsAt(mapper, inode, node.contents);
	if (position !== undefined) {
		throw new Mismatch(`inode ${node.number}: other bytes near ${position}`);
	}
}

/** The names of a directory, what they lead to, and `.` and `..`. */
export function compareDirectory(volume: Volume, node: Node): void {
	const found: string[] = [];
	forEachEntry(volume, volume.readInode(node.number), 0, (bytes, start, length, inode, type) => {
		const name = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
		found.push(`${name} ${inode} ${type ?? ''}`);
		return true;
	});
	const hasTypes = volume.features.has('filetype');
	const show = (name: string, {number, type}: Node) => `${name} ${number} ${hasTypes ? type : ''}`;
	const wanted = [show('.', node), show('..', node.parent ?? node)];
	for (const {name, node: child} of node.children.values()) wanted.push(show(name, child));
	assertSame(node, 'the listing', found.sort(), wanted.sort());
}

/** Everything that the volume holds. */
export function compareVolume(volume: Volume, model: Model): void {
	const mapper = new Mapper(volume);
	for (const node of model.nodes()) {
		compareInode(volume, model, node);
		if (node.type === 'directory') compareDirectory(volume, node);
		else if (node.type === 'file') compareFile(mapper, node);
	}
}
