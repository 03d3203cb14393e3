/** Who has an image. Oracle for loop devices: losetup and the kernel's own mounts. */
import {execFileSync} from 'node:child_process';
import {mkdirSync, symlinkSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {
	describeHolder,
	type Machine,
	thisMachine,
	whereKernelWrites,
	whyKernelHasIt,
} from '../../../src/mount/image-in-use.ts';
import {parseMountinfo} from '../../../src/mount/mounts.ts';
import {temporary} from '../../support/program.ts';
import {missing, serialTestUnless} from '../../support/skip.ts';

function place(t: Parameters<typeof temporary>[0]) {
	const folder = temporary(t);
	const image = join(folder, 'disk.img');
	writeFileSync(image, '');
	truncateSync(image, 1 << 22);
	return {folder, image};
}

/** A machine with one loop device that is attached to `image`. */
function machineWithLoop(folder: string, image: string, mounts = ''): Machine {
	const blockFolder = join(folder, 'block');
	mkdirSync(join(blockFolder, 'loop3/loop'), {recursive: true});
	mkdirSync(join(blockFolder, 'loop3/loop3p1'), {recursive: true});
	mkdirSync(join(blockFolder, 'sda'), {recursive: true});
	writeFileSync(join(blockFolder, 'loop3/loop/backing_file'), `${image}\n`);
	writeFileSync(join(blockFolder, 'loop3/dev'), '7:3\n');
	writeFileSync(join(blockFolder, 'loop3/loop3p1/dev'), '259:5\n');
	return {mounts: parseMountinfo(mounts), blockFolder, deviceFolder: join(folder, 'dev')};
}

const line = (device: string, path: string, type = 'ext4', source = '/dev/loop3') =>
	`40 1 ${device} / ${path} rw - ${type} ${source} rw`;

test('an image that nobody has is free', t => {
	const {image} = place(t);
	t.is(whyKernelHasIt(image), null);
	t.is(whyKernelHasIt(`${image}.missing`), null);
});

test('a loop device that is mounted, or its partition, stands against writing', t => {
	const {folder, image} = place(t);
	const machine = machineWithLoop(folder, image, line('7:3', '/a'));
	t.regex(whyKernelHasIt(image, machine) ?? '', /mounted on \/a \(through .*\/dev\/loop3\)/);
	const mounts = parseMountinfo(line('259:5', '/b'));
	t.regex(whyKernelHasIt(image, {...machine, mounts}) ?? '', /mounted on \/b/);
});

test('who only reads is told of a mount of the kernel that writes, and of no other', t => {
	const {folder, image} = place(t);
	const machine = machineWithLoop(folder, image, line('259:5', '/b'));
	t.is(whereKernelWrites(image, machine), '/b');
	const mounts = parseMountinfo(line('7:3', '/a').replaceAll('rw', 'ro'));
	t.is(whereKernelWrites(image, {...machine, mounts}), null);
	t.is(whereKernelWrites(image, {...machine, mounts: []}), null);
	t.is(whereKernelWrites(`${image}.missing`, machine), null);
});

test('the file behind a loop device is known by itself, not by its name', t => {
	const {folder, image} = place(t);
	const machine = machineWithLoop(folder, image, line('7:3', '/a'));
	const link = join(folder, 'link');
	symlinkSync(image, link);
	t.regex(whyKernelHasIt(link, machine) ?? '', /mounted on \/a/);
	const other = join(folder, 'other.img');
	writeFileSync(other, '');
	t.is(whyKernelHasIt(other, machine), null);
});

test('a loop device of which we can not tell what it is for stands against writing', t => {
	const {folder, image} = place(t);
	t.regex(whyKernelHasIt(image, machineWithLoop(folder, image)) ?? '', /losetup -d/);
});

test('a loop device of ext4box’s own stands not against it: the lock on the file decides', t => {
	const {folder, image} = place(t);
	const by = (uid: number) =>
		`${line('0:50', '/mnt', 'fuse.ext4box', image)},user_id=${uid},group_id=0`;
	const ours = by(process.geteuid?.() ?? 0);
	for (const mount of [ours, by(0)])
		t.is(whyKernelHasIt(image, machineWithLoop(folder, image, mount)), null);
	// Whoever may use fusermount3 can give a mount this name.
	t.regex(whyKernelHasIt(image, machineWithLoop(folder, image, by(4711))) ?? '', /losetup -d/);
	const mounts = parseMountinfo(`${ours}\n${line('7:3', '/a')}`);
	const {blockFolder, deviceFolder} = machineWithLoop(folder, image);
	t.regex(whyKernelHasIt(image, {mounts, blockFolder, deviceFolder}) ?? '', /mounted on \/a/);
});

test('who holds the lock is found in the mount table', t => {
	const mounts = parseMountinfo(line('0:50', '/mnt', 'fuse.ext4box', '/x/disk.img'));
	t.is(describeHolder('/x/disk.img', mounts), 'ext4box has it mounted on /mnt');
	t.is(describeHolder('/y/disk.img', mounts), 'another mount of ext4box has it');
});

const notRoot = process.geteuid?.() === 0 ? missing('losetup') : 'not root';

serialTestUnless(
	notRoot,
	'the kernel’s own loop mount is seen, and a free loop device passes',
	t => {
		const {folder, image} = place(t);
		execFileSync('mke2fs', ['-q', '-F', image]);
		const device = execFileSync('losetup', ['-f', '--show', image], {encoding: 'utf8'}).trim();
		const mountpoint = join(folder, 'mnt');
		mkdirSync(mountpoint);
		try {
			t.is(whyKernelHasIt(image), null);
			execFileSync('mount', [device, mountpoint]);
			try {
				t.regex(whyKernelHasIt(image) ?? '', /the kernel has it mounted on .*mnt/);
				t.regex(whyKernelHasIt(device) ?? '', /the kernel has it mounted on .*mnt/);
				// Where the mount is out of sight, in another namespace.
				const blind = {...thisMachine(), mounts: []};
				t.regex(whyKernelHasIt(image, blind) ?? '', /in use by the kernel/);
			} finally {
				execFileSync('umount', [mountpoint]);
			}
		} finally {
			execFileSync('losetup', ['-d', device]);
		}
	},
);
