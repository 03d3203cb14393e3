/** The kernel's own ext4 reads the image back: mounted read-only, through a loop device. */
import {execFileSync, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import type {FileType} from '../../ext4/index.ts';
import {wantedXattrs} from './compare.ts';
import type {FeatureSet} from './features.ts';
import {Mismatch} from './mismatch.ts';
import type {Model, Node} from './model.ts';

const typeOfBits = new Map<number, FileType>([
	[0o010000, 'fifo'],
	[0o020000, 'character'],
	[0o040000, 'directory'],
	[0o060000, 'block'],
	[0o100000, 'file'],
	[0o120000, 'symlink'],
	[0o140000, 'socket'],
]);

/** Files up to this size are read whole; of others what the model has. */
const wholeBytesMax = 2 ** 22;

const hasGetfattr = spawnSync('getfattr', ['--version']).error === undefined;

/** Why the kernel here can't judge such an image; undefined where it can. */
export function whyNotMountable(features: FeatureSet): string | undefined {
	if (process.getuid?.() !== 0) return 'only root mounts';
	if (!fs.existsSync('/dev/loop-control')) return 'there are no loop devices';
	const options = features.options.join(' ');
	if (options.includes('-b 65536')) return 'its blocks are larger than a page';
	if (options.includes('casefold')) return 'this kernel has no casefold';
	return undefined;
}

/** Throws `Mismatch` where the mounted image is not what the model is. */
export function compareMounted(image: string, directory: string, model: Model): void {
	fs.mkdirSync(directory);
	execFileSync('mount', ['-t', 'ext4', '-o', 'ro,loop', image, directory], {stdio: 'pipe'});
	try {
		compareNode(Buffer.from(directory), model.root, model);
		if (hasGetfattr) compareXattrs(directory, model);
	} finally {
		execFileSync('umount', [directory], {stdio: 'pipe'});
	}
}

/** getfattr writes bytes that are not printable as \\ooo. */
function unquoted(shown: string): string {
	return shown.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** All attributes of all files by their paths, one character a byte: names, and hexadecimal values. */
function readXattrs(directory: string): Map<string, string[]> {
	const args = ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', directory];
	const listing = execFileSync('getfattr', args, {encoding: 'latin1', maxBuffer: 2 ** 28});
	const found = new Map<string, string[]>();
	let current: string[] = [];
	for (const line of listing.split('\n')) {
		if (line.startsWith('# file: ')) {
			current = [];
			found.set(unquoted(line.slice(8)), current);
		} else if (line !== '') {
			const [name = '', value = '0x'] = line.split('=');
			current.push(`${unquoted(name)}=${value.slice(2)}`);
		}
	}
	return found;
}

function compareXattrs(directory: string, model: Model): void {
	const found = readXattrs(directory);
	const visit = (path: string, node: Node) => {
		const wanted = [...wantedXattrs(node)].map(
			([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`,
		);
		const shown = found.get(path) ?? [];
		if (JSON.stringify(shown.sort()) !== JSON.stringify(wanted.sort())) {
			fail(Buffer.from(path, 'latin1'), 'attributes');
		}
		for (const child of node.children.values()) visit(`${path}/${child.name}`, child.node);
	};
	visit(directory, model.root);
}

function fail(path: Buffer, what: string): never {
	throw new Mismatch(`the kernel shows ${path.toString('latin1')} with another ${what}`);
}

function compareNode(path: Buffer, node: Node, model: Model): void {
	const stat = fs.lstatSync(path, {bigint: true});
	const mode = Number(stat.mode);
	if (typeOfBits.get(mode & 0o170000) !== node.type) fail(path, 'type');
	if ((mode & 0o7777) !== node.mode) fail(path, 'mode');
	if (Number(stat.ino) !== node.number) fail(path, 'inode');
	if (Number(stat.uid) !== node.uid || Number(stat.gid) !== node.gid) fail(path, 'owner');
	if (Number(stat.nlink) !== model.linkCountOf(node)) fail(path, 'count of links');
	for (const [shown, time] of [
		[stat.mtimeNs, node.modificationTime],
		[stat.ctimeNs, node.changeTime],
		[stat.atimeNs, node.accessTime],
	] as const) {
		if (shown !== BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds)) {
			fail(path, 'time');
		}
	}
	if (node.type === 'directory') compareDirectory(path, node, model);
	else if (node.type === 'file') compareFile(path, Number(stat.size), node);
	else if (node.type === 'symlink') {
		if (fs.readlinkSync(path, 'latin1') !== node.target) fail(path, 'target');
	}
}

function compareDirectory(path: Buffer, node: Node, model: Model): void {
	const names = fs.readdirSync(path, {encoding: 'buffer'}).map(name => name.toString('latin1'));
	const wanted = [...node.children.values()].map(({name}) => name);
	if (JSON.stringify(names.sort()) !== JSON.stringify(wanted.sort())) fail(path, 'listing');
	for (const {name, node: child} of node.children.values()) {
		compareNode(Buffer.concat([path, Buffer.from(`/${name}`, 'latin1')]), child, model);
	}
}

function compareFile(path: Buffer, size: number, {contents}: Node): void {
	if (size !== contents.size) fail(path, 'size');
	if (size <= wholeBytesMax) {
		if (!fs.readFileSync(path).equals(contents.read(0, size))) fail(path, 'contents');
		return;
	}
	const descriptor = fs.openSync(path, 'r');
	try {
		for (const position of contents.chunkPositions()) {
			const expected = contents.read(position, 4096);
			const found = Buffer.alloc(expected.length);
			fs.readSync(descriptor, found, 0, found.length, position);
			if (!found.equals(expected)) fail(path, 'contents');
		}
	} finally {
		fs.closeSync(descriptor);
	}
}
