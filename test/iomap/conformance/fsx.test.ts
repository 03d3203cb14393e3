/** fsx through the kernel in memory; e2fsck and, as root, the kernel's own ext4 judge. */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import {join} from 'node:path';
import {mountIomap} from '../../support/iomap-kernel/mounted.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {temporary} from '../../support/program.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {runFsxOn} from './fsx.ts';
import {imageKinds} from './kinds.ts';

const why = missing('mke2fs') ?? missing('e2fsck') ?? missing('cc');
const seed = Number(process.env['EXT4BOX_SEED'] ?? 1);
const operations = Number(process.env['EXT4BOX_OPERATIONS'] ?? 1500);
const mountsLoops = process.getuid?.() === 0 && fs.existsSync('/dev/loop-control');

/** What the kernel's ext4 reads from the file `name` of an image. */
function readByKernel(folder: string, image: Uint8Array, name: string): Buffer {
	const path = join(folder, 'image');
	const directory = join(folder, 'mount');
	fs.writeFileSync(path, image);
	fs.mkdirSync(directory);
	execFileSync('mount', ['-t', 'ext4', '-o', 'ro,loop', path, directory], {stdio: 'pipe'});
	try {
		return fs.readFileSync(join(directory, name));
	} finally {
		execFileSync('umount', [directory], {stdio: 'pipe'});
	}
}

for (const {name, options, size} of imageKinds.filter(kind => kind.name !== 'a small disk')) {
	testUnless(why, `fsx on ${name}`, async t => {
		const folder = temporary(t);
		const mount = mountIomap(mke2fs(options, size));
		const {kernel} = mount;
		t.true(kernel.mount());
		t.log(await runFsxOn(kernel, {program: join(folder, 'fsx'), seed, operations}));
		const file = kernel.lookup(kernel.root(), 'fsx');
		if (file === undefined) throw new Error('the file is gone');
		const expected = kernel.read(file, 0, file.size);
		t.is(mount.end(), undefined);
		t.deepEqual(mount.problems, []);
		if (!mountsLoops) return;
		t.true(readByKernel(folder, mount.device.bytes, 'fsx').equals(expected));
	});
}
