/**
 * Mounts that are written to, by the real command, as root and as an ordinary user. Oracles: the
 * kernel's VFS while mounted; e2fsck, and for root the kernel's ext4, on the image afterwards.
 */
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {shutDownIoctl} from '../../src/ioctl.ts';
import {askStatus} from '../../src/mount/ask-status.ts';
import {mountAt} from '../../src/mount/mounts.ts';
import {ioctl} from '../../src/syscalls.ts';
import {buildTools, until, whyNoFuse, whyNoFusermount3, whyNoRoot} from '../support/mounting.ts';
import {missing} from '../support/skip.ts';
import {listTree, WritableImage, type WritableOptions} from '../support/writable-mount.ts';

const isRoot = process.geteuid?.() === 0;
const lacking = missing('mke2fs') ?? missing('e2fsck') ?? whyNoFuse();

test.before(() => {
	if (lacking === null) buildTools();
});

type Body = (t: ExecutionContext, place: WritableImage) => Promise<void> | void;

function writes(
	title: string,
	body: Body,
	options: WritableOptions = {},
	reason: string | null | undefined = null,
): void {
	const why = lacking ?? reason ?? (options.isOrdinary ? whyNoFusermount3() : whyNoRoot());
	if (why !== null && why !== undefined) {
		test.serial.skip(`${title} (skipped: ${why})`, () => {});
		return;
	}
	test.serial(title, async t => {
		await using place = new WritableImage(options);
		await body(t, place);
	});
}

/** As root, and as an ordinary user. */
function bothWrite(title: string, body: Body, options: WritableOptions = {}): void {
	writes(`${title}, as root`, body, options);
	writes(`${title}, as an ordinary user`, body, {...options, isOrdinary: true});
}

function codeOf(action: () => unknown): string {
	try {
		action();
		return 'no error';
	} catch (error) {
		return String((error as NodeJS.ErrnoException).code);
	}
}

const makeTree = `
mkdir -p tree/a/b tree/c
for n in 1 2 3 4 5 6 7 8 9; do echo "file $n" > tree/a/f$n; done
head -c 3000000 /dev/urandom > tree/big
ln tree/big tree/c/link
ln -s ../big tree/c/symlink
ln -s ${'long/'.repeat(40)} tree/c/long
mkfifo tree/pipe
truncate -s 1000000 tree/sparse
printf x | dd of=tree/sparse bs=1 seek=500000 conv=notrunc status=none
touch -d '2100-02-03 04:05:06.789012345' tree/a/f1
chmod 4755 tree/a/f2
`;

bothWrite('a tree is made, copied and read back; the kernel reads the same', (t, place) => {
	place.mount();
	place.sh(`${makeTree}\ncp -a tree copy\ndiff -r -x pipe --no-dereference tree copy`);
	const listed = listTree(script => place.sh(script));
	place.umount();
	t.is(place.check(), '');
	place.mount();
	place.sh('diff -r -x pipe --no-dereference tree copy');
	t.regex(place.sh('stat -c %y tree/a/f1'), /2100-02-03 .*\.789012345/);
	place.umount();
	if (!isRoot) return;
	const inKernel = (script: string) => (cwd: string) =>
		execFileSync('sh', ['-c', script], {cwd, encoding: 'utf8', maxBuffer: 2 ** 28});
	t.is(
		listTree(script => place.withKernel(inKernel(script))),
		listed,
	);
});

bothWrite('what is removed leaves nothing behind', (t, place) => {
	place.mount();
	const free = () => place.sh('stat -f -c "%f %d" .').trim();
	const before = free();
	place.sh(makeTree);
	t.not(free(), before);
	place.sh('rm -rf tree');
	place.umount();
	t.is(place.check(), '');
	place.mount();
	t.is(free(), before);
	place.umount();
});

writes('a file without a name lives until it is closed', async (t, place) => {
	place.mount();
	const file = place.at('file');
	place.sh(': > file; chmod 666 file');
	const descriptor = fs.openSync(file, 'r+');
	fs.writeSync(descriptor, 'before');
	place.sh('rm -f file');
	fs.writeSync(descriptor, ' and after');
	t.is(fs.fstatSync(descriptor).nlink, 0);
	fs.fsyncSync(descriptor);
	t.is(fs.readFileSync(`/proc/self/fd/${descriptor}`, 'utf8'), 'before and after');
	const answer = await askStatus(place.mountpoint);
	if (answer.kind === 'answered') t.is(answer.status.writing?.linklessInodes, 1);
	fs.closeSync(descriptor);
	place.umount();
	t.is(place.check(), '');
});

writes('O_TMPFILE makes a file that can be given a name', (t, place) => {
	place.mount();
	const script = [
		'import os',
		'fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)',
		'os.write(fd, b"from nowhere")',
		'import ctypes',
		'libc = ctypes.CDLL(None, use_errno=True)',
		'path = f"/proc/self/fd/{fd}".encode()',
		'assert libc.linkat(-100, path, -100, b"named", 0x400) == 0, ctypes.get_errno()',
		'os.close(fd)',
		'fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)',
		'os.write(fd, b"to nowhere")',
	].join('\n');
	execFileSync('python3', ['-c', script], {cwd: place.mountpoint});
	t.is(fs.readFileSync(place.at('named'), 'utf8'), 'from nowhere');
	t.deepEqual(fs.readdirSync(place.mountpoint).sort(), ['lost+found', 'named']);
	place.umount();
	t.is(place.check(), '');
});

writes('renames replace, exchange, and refuse to replace', (t, place) => {
	place.mount();
	place.sh(`
		mkdir d1 d2; echo 1 > d1/f; echo 2 > d2/f; mkdir d1/sub
		mv d1/f d2/f; mv d1/sub d2/; mkdir d1/sub; mv -T d1/sub d2/sub
		echo a > a; echo b > b; mv --exchange a b 2>/dev/null || { mv a c; mv b a; mv c b; }
		mv -n a b`);
	t.is(fs.readFileSync(place.at('d2/f'), 'utf8'), '1\n');
	t.is(fs.readFileSync(place.at('a'), 'utf8'), 'b\n');
	t.is(fs.readFileSync(place.at('b'), 'utf8'), 'a\n');
	t.is(fs.statSync(place.at('d2')).nlink, 3);
	t.is(
		codeOf(() => fs.renameSync(place.at('d2'), place.at('d2/sub/d2'))),
		'EINVAL',
	);
	t.is(
		codeOf(() => fs.rmdirSync(place.at('d2'))),
		'ENOTEMPTY',
	);
	place.umount();
	t.is(place.check(), '');
});

writes(
	'attributes, ACLs and the umask: as ext4 has them',
	(t, place) => {
		place.mount('rw,allow_other');
		place.sh(`
			mkdir d; setfacl -d -m u:1234:rwx,g::r-x,o::--- d
			umask 077; : > d/inherits; mkdir d/sub; : > plain
			setfattr -n user.comment -v "some value" plain
			setfacl -m u:1234:r plain; chmod 4711 d/inherits; chown 12:34 d/inherits
			setfattr -n trusted.secret -v x plain; setfattr -x trusted.secret plain`);
		t.is(fs.statSync(place.at('d/inherits')).mode & 0o7777, 0o711);
		t.is(fs.statSync(place.at('plain')).mode & 0o777, 0o640);
		t.is(fs.statSync(place.at('d/inherits')).uid, 12);
		const facts = 'getfacl -nR . ; getfattr -dR -m - .';
		const ours = place.sh(facts);
		place.umount();
		t.is(place.check(), '');
		place.withKernel(directory => {
			t.is(execFileSync('sh', ['-c', facts], {cwd: directory, encoding: 'utf8'}), ours);
		});
	},
	{},
	missing('setfacl') ?? missing('setfattr'),
);

writes('fallocate, holes and copies', (t, place) => {
	place.mount();
	place.sh(`
		head -c 1000000 /dev/urandom > a
		cp a b; fallocate -p -o 100000 -l 300000 b
		dd if=/dev/zero of=a bs=1000 seek=100 count=300 conv=notrunc status=none
		cmp a b; fallocate -z -o 4096 -l 8192 b; fallocate -l 5000000 c; fallocate -n -l 9000000 b
		cp --reflink=never a d; cmp a d`);
	t.is(fs.statSync(place.at('c')).size, 5_000_000);
	t.true(fs.statSync(place.at('b')).blocks * 512 >= 9_000_000);
	place.umount();
	t.is(place.check(), '');
});

writes('mapped memory is written', (t, place) => {
	place.mount();
	const script = [
		'import mmap, os',
		'fd = os.open("mapped", os.O_RDWR | os.O_CREAT)',
		'os.ftruncate(fd, 100000)',
		'm = mmap.mmap(fd, 100000)',
		'm[50000:50010] = b"0123456789"',
		'm.flush(); m.close(); os.close(fd)',
	].join('\n');
	place.sh(`python3 -c '${script}'`);
	place.umount();
	t.is(place.check(), '');
	place.mount('ro');
	t.is(
		fs.readFileSync(place.at('mapped')).toString('latin1', 49_999, 50_011),
		'\0' + '0123456789\0',
	);
	place.umount();
});

writes('what is written shows to whoever reads beside', (t, place) => {
	place.mount();
	place.sh('umask 0; : > log');
	const writer = fs.openSync(place.at('log'), 'a');
	fs.writeSync(writer, 'x'.repeat(10_000));
	// Nothing of it has left the kernel's cache; cp must not take it for a hole.
	place.sh('cp log copy; cmp log copy');
	t.is(fs.statSync(place.at('copy')).size, 10_000);
	fs.closeSync(writer);
	place.umount();
	t.is(place.check(), '');
});

writes(
	'a full disk says so, and loses nothing',
	(t, place) => {
		place.mount('rw,sync');
		place.sh('mkdir d; echo precious > d/precious');
		t.throws(() => place.sh('cat /dev/zero > fill'), {message: /No space left/});
		t.throws(() => place.sh('i=0; while :; do i=$((i+1)); mkdir d/$i; done'), {
			message: /No space/,
		});
		t.is(fs.readFileSync(place.at('d/precious'), 'utf8'), 'precious\n');
		place.sh('rm fill; echo more > more');
		t.is(fs.readFileSync(place.at('more'), 'utf8'), 'more\n');
		place.umount();
		t.is(place.check(), '');
	},
	{sizeBytes: 8 << 20},
);

writes(
	'an error of write-back reaches close and fsync',
	(t, place) => {
		place.mount();
		const descriptor = fs.openSync(place.at('file'), 'w');
		fs.writeSync(descriptor, Buffer.alloc(6 << 20, 1));
		fs.writeSync(descriptor, Buffer.alloc(6 << 20, 2));
		t.is(
			codeOf(() => fs.fsyncSync(descriptor)),
			'ENOSPC',
		);
		fs.closeSync(descriptor);
		place.umount();
		t.is(place.check(), '');
	},
	{sizeBytes: 8 << 20},
);

writes('what fsync promised survives the server’s sudden death', async (t, place) => {
	place.mount();
	place.sh('umask 0; mkdir d; chmod 777 d');
	const descriptor = fs.openSync(place.at('d', 'promised'), 'w');
	fs.writeSync(descriptor, 'kept');
	fs.fsyncSync(descriptor);
	fs.writeSync(descriptor, ' or not');
	const {server} = place.processes();
	process.kill(server, 'SIGKILL');
	t.not(await until(() => mountAt(place.mountpoint) === null, 3000), null, 'the mount stays');
	codeOf(() => fs.closeSync(descriptor));
	t.is(place.recoverAndCheck(), '');
	place.mount('ro');
	t.regex(fs.readFileSync(place.at('d', 'promised'), 'utf8'), /^kept/);
	place.umount();
});

writes('a change is on the medium after the time that commit= says', async (t, place) => {
	place.mount('rw,commit=1');
	place.sh('echo old > file; sync file; mkdir directory');
	await sleep(1600);
	const {server} = place.processes();
	process.kill(server, 'SIGKILL');
	await until(() => mountAt(place.mountpoint) === null, 3000);
	t.is(place.recoverAndCheck(), '');
	place.mount('ro');
	t.deepEqual(fs.readdirSync(place.mountpoint).sort(), ['directory', 'file', 'lost+found']);
	place.umount();
});

writes('killed at any moment under load, the image recovers clean', async (t, place) => {
	for (let round = 0; round < 4; round++) {
		place.mount('rw,commit=1');
		const load = spawn(
			'sh',
			[
				'-c',
				`i=0; while mkdir -p d$i; do for n in 1 2 3 4 5; do head -c 20000 /dev/zero > d$i/f$n; done
				 mv d$i/f1 d$i/g; ln d$i/g d$i/h; rm d$i/f2; [ $i -gt 3 ] && rm -rf d$((i-3)); i=$((i+1)); done`,
			],
			{cwd: place.mountpoint, stdio: 'ignore'},
		);
		const ended = new Promise(resolve => load.once('exit', resolve));
		await sleep(300 + round * 450);
		const {server} = place.processes();
		process.kill(server, 'SIGKILL');
		await until(() => mountAt(place.mountpoint) === null, 3000);
		load.kill('SIGKILL');
		await ended;
		t.is(place.recoverAndCheck(), '', `round ${round}`);
		fs.rmSync(place.mountpoint, {recursive: true, force: true});
		fs.mkdirSync(place.mountpoint);
	}
});

writes('a journal that was left is brought home by the next writing mount', async (t, place) => {
	place.mount();
	place.sh('mkdir d; echo text > d/file; sync d/file; sync d; rm -f nothing');
	const held = fs.openSync(place.at('d/file'), 'r');
	place.sh('rm d/file; mkdir e; sync e');
	const {server} = place.processes();
	process.kill(server, 'SIGKILL');
	await until(() => mountAt(place.mountpoint) === null, 3000);
	fs.closeSync(held);
	place.mount();
	t.deepEqual(fs.readdirSync(place.at('d')), []);
	t.deepEqual(fs.readdirSync(place.at('e')), []);
	place.umount();
	t.is(place.check(), '');
});

writes('SIGTERM: what is held open is written out, and all is brought home', async (t, place) => {
	place.mount();
	place.sh('umask 0; : > held');
	const descriptor = fs.openSync(place.at('held'), 'r+');
	fs.writeSync(descriptor, 'not synced');
	const {supervisor, server} = place.processes();
	process.kill(server, 'SIGTERM'); // As at the end of a session: to every process of it.
	process.kill(supervisor, 'SIGTERM');
	t.not(await until(() => !fs.existsSync(`/proc/${supervisor}`), 8000), null);
	t.is(mountAt(place.mountpoint), null);
	codeOf(() => fs.closeSync(descriptor));
	t.is(place.check(), '');
	place.mount('ro');
	t.is(fs.readFileSync(place.at('held'), 'utf8'), 'not synced');
	place.umount();
});

writes('a lazy unmount ends when the last file is closed', async (t, place) => {
	place.mount();
	place.sh('umask 0; : > held');
	const {supervisor} = place.processes();
	const descriptor = fs.openSync(place.at('held'), 'r+');
	place.umount('--lazy');
	fs.writeSync(descriptor, 'still written');
	fs.fsyncSync(descriptor);
	fs.closeSync(descriptor);
	t.not(await until(() => !fs.existsSync(`/proc/${supervisor}`), 5000), null);
	t.is(place.check(), '');
	place.mount('ro');
	t.is(fs.readFileSync(place.at('held'), 'utf8'), 'still written');
	place.umount();
});

writes('umount(8) waits for the last commit, by way of its helper', (t, place) => {
	const helper = '/sbin/umount.fuse.ext4box';
	t.false(fs.existsSync(helper), 'another one is installed');
	const root = path.join(import.meta.dirname, '../..');
	execFileSync('make', ['-s', '-C', path.join(root, 'mount-helper'), 'install-helpers']);
	try {
		place.mount();
		place.sh(makeTree);
		const {server} = place.processes();
		execFileSync('umount', [place.mountpoint]);
		t.false(fs.existsSync(`/proc/${server}`));
		t.is(place.check(), '');
	} finally {
		execFileSync('make', ['-s', '-C', path.join(root, 'mount-helper'), 'uninstall-helpers']);
	}
});

writes('remount,ro and back do what they say', async (t, place) => {
	place.mount();
	place.sh('umask 0; echo 1 > file; mkdir d; chmod 777 . d');
	const descriptor = fs.openSync(place.at('file'), 'r+');
	const refused = place.cli('mount', '-o', 'remount,ro', place.mountpoint);
	t.is(refused.status, 1);
	t.regex(refused.stderr, /open|busy/i);
	fs.closeSync(descriptor);
	t.is(place.cli('mount', '-o', 'remount,ro', place.mountpoint).stderr, '');
	t.is(place.check(), '');
	t.is(
		codeOf(() => fs.writeFileSync(place.at('d/new'), '')),
		'EROFS',
	);
	t.is(
		codeOf(() => fs.unlinkSync(place.at('file'))),
		'EROFS',
	);
	t.is(fs.readFileSync(place.at('file'), 'utf8'), '1\n');
	const answer = await askStatus(place.mountpoint);
	if (answer.kind === 'answered') t.true(answer.status.readOnly);
	t.is(place.cli('mount', '-o', 'remount,rw', place.mountpoint).stderr, '');
	place.sh('echo 2 > file; echo 3 > d/new');
	place.umount();
	t.is(place.check(), '');
});

writes(
	'shut down by ioctl, it gives EIO, and a recovery finds what was done before',
	(t, place) => {
		place.mount();
		place.sh('echo kept > synced; sync synced; mkdir d; echo late > late');
		const root = fs.openSync(place.mountpoint, 'r');
		ioctl(root, shutDownIoctl, new Uint8Array(4));
		ioctl(root, shutDownIoctl, new Uint8Array(4));
		fs.closeSync(root);
		const codes = [
			() => fs.mkdirSync(place.at('new')),
			() => fs.unlinkSync(place.at('synced')),
			() => fs.chmodSync(place.at('synced'), 0o600),
			() => fs.readFileSync(place.at('unread'), 'utf8'),
		].map(codeOf);
		t.deepEqual(codes, ['EIO', 'EIO', 'EIO', 'ENOENT']);
		t.true(fs.readdirSync(place.mountpoint).includes('d'));
		place.umount();
		t.regex(
			execFileSync('dumpe2fs', ['-h', place.image], {stdio: 'pipe'}).toString(),
			/needs_recovery/,
		);
		place.mount();
		t.is(fs.readFileSync(place.at('synced'), 'utf8'), 'kept\n');
		t.true(fs.existsSync(place.at('d')));
		place.umount();
		t.is(place.check(), '');
	},
);

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

writes(
	'under a mapping new files take their directory’s owner, or whom create= names',
	(t, place) => {
		place.mount('rw,map=me');
		place.sh(
			'mkdir d; : > d/file; chown "$(id -u):$(id -g)" d/file; ! chown 7:7 d/file 2>/dev/null',
		);
		t.is(
			fs.statSync(place.at('d/file')).uid,
			place.cli.length >= 0 ? fs.statSync(place.mountpoint).uid : 0,
		);
		place.umount();
		place.mount('rw,map=me,create=123:456');
		place.sh(': > made');
		place.umount();
		place.mount('ro');
		const shown = place.sh('stat -c "%u:%g" . d d/file made').split('\n');
		t.is(shown[1], shown[0]);
		t.is(shown[2], shown[0]);
		t.is(shown[3], '123:456');
		place.umount();
		t.is(place.check(), '');
	},
);

for (const [name, format] of [
	['ext2', ['-t', 'ext2']],
	['ext3', ['-t', 'ext3']],
	['ext4 with 1 KiB blocks', ['-t', 'ext4', '-b', '1024']],
	['ext4 with inline data', ['-t', 'ext4', '-O', 'inline_data']],
	['ext4 with bigalloc', ['-t', 'ext4', '-O', 'bigalloc', '-C', '16384']],
	['ext4 without checksums', ['-t', 'ext4', '-O', '^metadata_csum,^64bit']],
	['ext4 with quota', ['-t', 'ext4', '-O', 'quota,project']],
	['ext4 with mmp', ['-t', 'ext4', '-O', 'mmp', '-E', 'mmp_update_interval=1']],
] as const) {
	writes(
		`${name}: a tree is made and unmade`,
		(t, place) => {
			place.mount();
			place.sh(
				`${makeTree}\ncp -a tree copy\ndiff -r -x pipe --no-dereference tree copy\nrm -rf copy/a tree/c`,
			);
			place.umount();
			t.is(place.check(), '');
			place.mount();
			place.sh('cmp tree/big copy/big; rm -rf tree copy');
			place.umount();
			t.is(place.check(), '');
		},
		{format},
	);
}

writes('a mount that writes nothing of files costs few requests', async (t, place) => {
	place.mount();
	place.sh(': > warm; cat warm; echo x > warm; rm warm; mkdir d');
	const requests = async () => {
		const answer = await askStatus(place.mountpoint);
		if (answer.kind !== 'answered') throw new Error(answer.kind);
		return answer.status.requests;
	};
	const before = await requests();
	for (let index = 0; index < 100; index++)
		fs.writeFileSync(place.at('d', `file ${index}`), 'text');
	const after = await requests();
	const cost = Object.entries(after)
		.map(([name, count]) => [name, (count - (before[name] ?? 0)) / 100] as const)
		.filter(([name, count]) => count >= 0.5 && !name.includes('FORGET') && name !== 'IOCTL');
	t.deepEqual(Object.fromEntries(cost), {MKNOD: 1, GETXATTR: 1, LOOKUP: 1, WRITE: 1});
	place.umount();
	t.is(place.check(), '');
});

writes('a full disk ends who writes to it', (t, place) => {
	place.mount();
	const said = place.sh(
		'timeout 60 dd if=/dev/zero of=full bs=1M count=100000 2>&1 || echo $?; rm full',
	);
	t.regex(said, /No space left on device[\s\S]*\n1\n$/);
	place.sh('echo text > after; test "$(cat after)" = text');
	place.umount();
	t.is(place.check(), '');
});

writes(
	'the first thing that a command of run does may be to make something in the root',
	(t, place) => {
		for (const name of ['first', 'second']) {
			const {status, stderr} = place.cli('run', place.image, '--', 'mkdir', name);
			t.is(status, 0, stderr);
			t.is(stderr, '');
		}
		const {stdout} = place.cli('ls', place.image);
		t.deepEqual(stdout.split('\n').filter(Boolean), ['first', 'lost+found', 'second']);
	},
	{isOrdinary: true},
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

writes('umount tells of what was lost because the disk below was full', (t, place) => {
	const host = path.join(place.folder, 'host');
	fs.mkdirSync(host);
	execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', host]);
	try {
		const image = path.join(host, 'disk.img');
		execFileSync('cp', ['--sparse=always', place.image, image]);
		t.is(place.cli('mount', image, place.mountpoint, '-o', 'rw').status, 0);
		t.throws(() => place.sh('head -c 8000000 /dev/urandom > big; sync big'));
		// The journal was never written to: it has no room on the disk either.
		t.throws(() => place.sh('mkdir $(seq 300); sync 1'));
		const {status, stderr} = place.cli('umount', place.mountpoint);
		t.is(mountAt(place.mountpoint), null);
		t.is(status, 1, stderr);
		t.regex(
			stderr,
			/not all that was written is in the image: writing was given up \(no space left on device\)/,
		);
		// The same, where nobody has waited for what was written before.
		t.is(place.cli('mount', image, place.mountpoint, '-o', 'rw,commit=600').status, 0);
		place.sh('mkdir $(seq 400 900)');
		t.regex(place.cli('umount', place.mountpoint).stderr, /given up \(no space left on device\)/);
	} finally {
		execFileSync('umount', ['-l', host]);
	}
});
