import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {
	decodeEscapes,
	dismiss,
	isExt4box,
	mountAt,
	parseMountinfo,
	resolveMountpoint,
	supervisorOf,
	waitForEnd,
} from '../../../src/mount/mounts.ts';

const table = `27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
43 27 0:39 / /tmp/a\\040b\\134c\\011d\\012e\\043 ro,nosuid,nodev shared:3 master:4 - fuse.ext4box /x\\040y.img ro,user_id=1000,group_id=100
44 43 0:40 / /tmp/top rw - fuse.ext4box one rw,user_id=0
45 44 0:41 / /tmp/top rw - tmpfs none rw
nonsense
46 45 0:42 / /tmp/short rw
`;

test('parseMountinfo', t => {
	const mounts = parseMountinfo(table);
	t.deepEqual(
		mounts.map(mount => mount.id),
		[27, 43, 44, 45],
	);
	t.deepEqual(mounts[1], {
		id: 43,
		device: '0:39',
		path: '/tmp/a b\\c\td\ne#',
		type: 'fuse.ext4box',
		source: '/x y.img',
		options: ['ro', 'nosuid', 'nodev'],
		uid: 1000,
		isReadOnly: true,
		allowsOther: false,
	});
	t.deepEqual(
		mounts.map(mount => isExt4box(mount)),
		[false, true, true, false],
	);
	t.is(mounts[0]?.uid, null);
	t.false(mounts[2]?.isReadOnly);
	const [shared] = parseMountinfo('9 1 0:9 / /x rw - fuse.ext4box x ro,user_id=1,allow_other\n');
	t.true(shared?.allowsOther);
	t.true(shared?.isReadOnly);
});

test('under another file system’s name a mount is ours only with a supervisor', t => {
	// No device has this number, so nobody is named after it.
	const [mount] = parseMountinfo('9 1 0:99999999 / /tmp/x rw - fuse.ext4 x rw,user_id=0\n');
	if (mount === undefined) throw new Error('the line is not understood');
	t.false(isExt4box(mount));
});

for (const [escaped, plain] of [
	['', ''],
	['/a\\040b', '/a b'],
	['\\134040', '\\040'],
	['\\134\\134', '\\\\'],
	['\\04', '\\04'],
	['\\999', '\\999'],
	['/ü\\040ß', '/ü ß'],
] as const) {
	test(`decodeEscapes ${JSON.stringify(escaped)}`, t => t.is(decodeEscapes(escaped), plain));
}

test('mountAt takes the uppermost', t => {
	const mounts = parseMountinfo(table);
	t.is(mountAt('/tmp/top', mounts)?.id, 45);
	t.is(mountAt('/tmp', mounts), null);
});

test('resolveMountpoint follows links, and asks nothing of what is mounted', t => {
	const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ext4box-test-')));
	t.teardown(() => rmSync(folder, {recursive: true}));
	mkdirSync(join(folder, 'real/mnt'), {recursive: true});
	symlinkSync('real', join(folder, 'link'));
	symlinkSync('link/mnt', join(folder, 'far'));
	symlinkSync('loop', join(folder, 'loop'));
	const expected = join(folder, 'real/mnt');
	for (const given of [
		'real/mnt',
		'real/mnt/',
		'link/mnt',
		'far',
		'far/',
		'far/.',
		'real/mnt/../mnt',
	]) {
		t.is(resolveMountpoint(join(folder, given), []), expected, given);
	}
	t.is(
		resolveMountpoint(`${folder}/link/..`, []),
		folder,
		'as the kernel: the link is followed first',
	);
	t.is(resolveMountpoint('/', []), '/');
	t.is(resolveMountpoint(join(folder, 'absent'), []), join(folder, 'absent'));
	t.throws(() => resolveMountpoint(join(folder, 'loop'), []), {message: /symbolic links|ELOOP/});
	t.throws(() => resolveMountpoint(join(folder, 'absent/mnt'), []), {code: 'ENOENT'});
	const dead = parseMountinfo(`9 1 0:9 / ${folder}/far rw - fuse.ext4box x rw,user_id=1\n`);
	t.is(resolveMountpoint(join(folder, 'far'), dead), join(folder, 'far'));
});

test('how the server has ended is told by a name, which the process must still bear', async t => {
	const script = 'printf ext4box-end:28 > /proc/self/comm; echo named; read line';
	const child = spawn('sh', ['-c', script], {stdio: ['pipe', 'pipe', 'inherit']});
	const ended = once(child, 'exit');
	await once(child.stdout, 'data');
	const found = supervisorOf(child.pid ?? 0) ?? t.fail();
	t.is(await waitForEnd(found), 28);
	t.is(await waitForEnd({...found, startTime: '1'}), 0);
	dismiss({...found, startTime: '1'});
	t.is(child.exitCode ?? child.signalCode, null);
	dismiss(found);
	t.deepEqual(await ended, [null, 'SIGTERM']);
	dismiss(found);
});

test('a process that goes on is waited for until the limit', async t => {
	const stat = readFileSync('/proc/self/stat', 'utf8');
	// Behind the name, which may hold anything, the 20th field: proc_pid_stat(5).
	const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
	const own = {pid: process.pid, startTime};
	t.is(await waitForEnd(own, AbortSignal.timeout(50)), null);
	t.is(await waitForEnd({...own, startTime: '1'}), 0);
});
