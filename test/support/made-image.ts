/**
 * A small file system with one of everything, made by mke2fs and debugfs when a test wants it:
 * links, devices, attributes, holes, a directory with an index, owners, a birth time.
 */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const contents = {
	hello: 'hello, world\n',
	/** Three blocks and a bit. */
	text: 'a line of text, and not the last one\n'.repeat(400),
} as const;

export const indexedNames = Array.from({length: 300}, (_, index) => `entry number ${index}`);

/** Data in blocks 0 and 3 of 1,024 bytes, a hole between them, and a hole to the end. */
export const sparse = {blockSize: 1024, dataBlocks: [0, 3], sizeBytes: 64 * 1024} as const;

const commands = [
	'cd /',
	'mknod pipe p',
	'mknod character c 1 3',
	'mknod block b 7 200',
	'ea_set hello user.comment greeting',
	'ea_set hello trusted.secret hidden',
	'sif hello uid 1000',
	'sif hello gid 100000',
	'sif hello generation 77',
	'sif hello mtime @0x40000000',
	'sif hello mtime_extra 0x1d6f3455',
	'sif text flags 0x80050',
];

function populate(folder: string): void {
	fs.writeFileSync(path.join(folder, 'hello'), contents.hello, {mode: 0o644});
	fs.writeFileSync(path.join(folder, 'text'), contents.text, {mode: 0o600});
	fs.writeFileSync(path.join(folder, 'empty'), '');
	fs.linkSync(path.join(folder, 'hello'), path.join(folder, 'hello again'));
	fs.symlinkSync('hello', path.join(folder, 'link'));
	fs.symlinkSync(`${'long/'.repeat(30)}way`, path.join(folder, 'long link'));
	fs.mkdirSync(path.join(folder, 'folder'));
	fs.mkdirSync(path.join(folder, 'folder', 'inner'));
	fs.writeFileSync(path.join(folder, 'folder', 'inner', 'deep'), 'deep');
	fs.mkdirSync(path.join(folder, 'indexed'));
	for (const name of indexedNames) fs.writeFileSync(path.join(folder, 'indexed', name), '');
	const descriptor = fs.openSync(path.join(folder, 'sparse'), 'w');
	for (const block of sparse.dataBlocks) {
		fs.writeSync(
			descriptor,
			Buffer.alloc(sparse.blockSize, 0x61 + block),
			0,
			undefined,
			block * sparse.blockSize,
		);
	}
	fs.ftruncateSync(descriptor, sparse.sizeBytes);
	fs.closeSync(descriptor);
}

/** The path of a new image; `remove` takes it away again. */
export function makeImage(options: readonly string[] = []): {path: string; remove: () => void} {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-image-'));
	const source = path.join(folder, 'source');
	const image = path.join(folder, 'image');
	const script = path.join(folder, 'commands');
	fs.mkdirSync(source);
	populate(source);
	fs.writeFileSync(script, `${commands.join('\n')}\n`);
	const make = [
		'-q',
		'-t',
		'ext4',
		'-b',
		'1024',
		'-L',
		'made',
		'-d',
		source,
		...options,
		image,
		'8M',
	];
	const environment = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`};
	execFileSync('mke2fs', make, {env: environment, stdio: 'pipe'});
	execFileSync('debugfs', ['-w', '-f', script, image], {env: environment, stdio: 'pipe'});
	fs.rmSync(source, {recursive: true});
	return {path: image, remove: () => fs.rmSync(folder, {recursive: true})};
}
