/**
 * Mounts that are written to, by the real command, as root and as an ordinary user: whole trees. Oracles:
 * the kernel's VFS while mounted; e2fsck, and for root the kernel's ext4, on the image afterwards.
 */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import {askStatus} from '../../src/mount/ask-status.ts';
import {listTree} from '../support/writable-mount.ts';
import {bothWrite, makeTree, writes} from '../support/writing-tests.ts';

const isRoot = process.geteuid?.() === 0;

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
