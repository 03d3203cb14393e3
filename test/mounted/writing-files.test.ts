/** What single files are given through a mount: contents, names, attributes, owners. */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import {askStatus} from '../../src/mount/ask-status.ts';
import {missing} from '../support/skip.ts';
import {codeOf, writes} from '../support/writing-tests.ts';

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
