/** Damaged maps, where the kernel moves the data: what is the file system's own is read, never written. */
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {errno} from '../../../src/errno.ts';
import type {IomapKernel, Node} from '../../support/iomap-kernel/kernel.ts';
import {mountIomap} from '../../support/iomap-kernel/mounted.ts';
import {KernelError} from '../../support/iomap-kernel/wire.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('debugfs');
const blockSize = 4096;
const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`};

/** A file of two blocks, the second of which is the first of the inode table. */
function damaged(): {image: Uint8Array; table: number} {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-metadata-'));
	try {
		const path = join(folder, 'image');
		const contents = join(folder, 'contents');
		writeFileSync(path, mke2fs(['-t', 'ext4', '-b', String(blockSize)], '16M'));
		writeFileSync(contents, Buffer.alloc(2 * blockSize, 7));
		const ask = (...commands: string[]) =>
			execFileSync('debugfs', ['-w', '-f', '-', path], {
				input: commands.join('\n'),
				encoding: 'utf8',
				env,
				stdio: ['pipe', 'pipe', 'ignore'],
			});
		const table = Number(/inode table at (\d+)/.exec(ask('stats'))?.[1]);
		const insert = [`insert_node 0 1 3000`, `insert_node --after 1 1 ${table}`];
		const open = ['extent_open file', 'root', 'delete_node'];
		ask(`write ${contents} file`, ...open, ...insert, 'extent_close');
		return {image: new Uint8Array(readFileSync(path)), table};
	} finally {
		rmSync(folder, {recursive: true});
	}
}

const bytes = new Uint8Array(blockSize).fill(9);
const ways: readonly [string, (kernel: IomapKernel, file: Node) => void][] = [
	['write(2)', (kernel, file) => kernel.write(file, blockSize, bytes)],
	['write(2) with O_DIRECT', (kernel, file) => kernel.writeDirect(file, blockSize, bytes)],
	['a store through a mapping', (kernel, file) => kernel.store(file, blockSize, bytes)],
	[
		'what has been read before',
		(kernel, file) => {
			kernel.readDirect(file, 0, 2 * blockSize);
			kernel.read(file, 0, 2 * blockSize);
			kernel.write(file, blockSize, bytes);
		},
	],
	['a cut within the block', (kernel, file) => kernel.truncate(file, blockSize + 1)],
];

for (const [what, write] of ways) {
	testUnless(why, `the file system's own block in a file is not written to: ${what}`, t => {
		const {image, table} = damaged();
		const {kernel, device} = mountIomap(image);
		t.true(kernel.mount());
		const own = () => device.bytes.slice(table * blockSize, (table + 1) * blockSize);
		const before = own();
		const file = kernel.lookup(kernel.root(), 'file');
		if (file === undefined) return t.fail('no file');
		kernel.open(file);
		t.deepEqual(kernel.read(file, blockSize, blockSize), before);
		const error = t.throws(() => write(kernel, file), {instanceOf: KernelError});
		t.is(error?.errno, errno.EUCLEAN);
		kernel.writeBack(file);
		t.is(Buffer.compare(own(), before), 0);
	});
}

testUnless(
	why,
	'of a read-only mount the kernel is told all in advance, such blocks as well',
	t => {
		const {image, table} = damaged();
		const {kernel, device} = mountIomap(image, {config: {readOnly: true}});
		t.true(kernel.mount());
		const file = kernel.lookup(kernel.root(), 'file');
		if (file === undefined) return t.fail('no file');
		kernel.openToRead(file);
		const before = kernel.trace.length;
		const found = kernel.readDirect(file, blockSize, blockSize);
		const own = device.bytes.slice(table * blockSize, (table + 1) * blockSize);
		t.is(Buffer.compare(found, own), 0);
		t.deepEqual(
			kernel.trace.slice(before).filter(line => line.startsWith('(B')),
			[],
		);
	},
);
