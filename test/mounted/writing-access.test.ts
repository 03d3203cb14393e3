/** Whether an image is written to at all: one writer at a time, and none that may not. */
import {execFileSync, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import path from 'node:path';
import {bothWrite, writes} from '../support/writing-tests.ts';

const isRoot = process.geteuid?.() === 0;

bothWrite('an image has one writer, and beside it no reader', (t, place) => {
	const other = path.join(place.folder, 'other');
	place.sh(`mkdir ${other}`);
	place.mount();
	for (const access of ['rw', 'ro']) {
		const refused = place.cli('mount', place.image, other, '-o', access);
		t.is(refused.status, 1);
		t.regex(
			refused.stderr,
			new RegExp(`is in use: ext4box has it mounted on ${place.mountpoint} \\[IMAGE_IN_USE\\]`),
		);
	}
	place.umount();
	place.mount('ro');
	t.is(place.cli('mount', place.image, other, '-o', 'ro').status, 0);
	t.is(place.cli('umount', other).status, 0);
	t.regex(place.cli('mount', place.image, other, '-o', 'rw').stderr, /is in use/);
	place.umount();
});

writes('an image that the kernel has mounted is not written to', (t, place) => {
	place.withKernel(directory => {
		const refused = place.cli('mount', place.image, place.mountpoint, '-o', 'rw');
		t.is(refused.status, 1);
		t.regex(refused.stderr, new RegExp(`the kernel has it mounted on ${directory}`));
	});
	const device = execFileSync('losetup', ['-f', '--show', place.image], {encoding: 'utf8'}).trim();
	const directory = path.join(place.folder, 'kernel');
	try {
		execFileSync('mount', [device, directory]);
		const refused = place.cli('mount', device, place.mountpoint);
		execFileSync('umount', [directory]);
		t.is(refused.status, 1);
		t.regex(refused.stderr, /the kernel has it mounted on/);
		t.is(place.cli('mount', device, place.mountpoint).status, 0);
		t.is(spawnSync('mount', [device, directory]).status, 32);
		place.sh('echo on a device > file');
		place.umount();
	} finally {
		execFileSync('losetup', ['-d', device]);
	}
	t.is(place.check(), '');
});

writes(
	'what can not be written to is mounted read-only, which is said',
	(t, place) => {
		fs.chmodSync(place.image, 0o444);
		fs.chownSync(place.image, 0, 0);
		const said = place.cli('mount', place.image, place.mountpoint);
		t.is(said.status, 0);
		t.regex(said.stderr, /mounted read-only: you may not write to it/);
		t.regex(
			place.cli('mount', '-o', 'remount,rw', place.mountpoint).stderr,
			/opened for reading only/,
		);
		place.umount();
		t.regex(
			place.cli('mount', place.image, place.mountpoint, '-o', 'rw').stderr,
			/can't be mounted for writing: you may not write to it \[IMAGE_FORBIDDEN\]/,
		);
	},
	{isOrdinary: true},
	isRoot ? null : 'not root',
);

bothWrite(
	'an image that an earlier user found errors in is mounted, and that is said',
	(t, place) => {
		execFileSync('debugfs', ['-w', '-R', 'ssv state 3', place.image], {stdio: 'ignore'});
		const {status, stderr} = place.cli('mount', place.image, place.mountpoint, '-o', 'rw');
		t.is(status, 0);
		t.regex(stderr, /disk\.img: warning: an earlier user found errors in it: "ext4box check"/);
		place.umount();
	},
);
