/**
 * `-o ro,recover`: what a read-only mount leaves in an image that a crash has left dirty, beside what
 * the kernel's own ext4 leaves on `ro`.
 */
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import * as fs from 'node:fs';
import path from 'node:path';
import {askStatus} from '../../src/mount/ask-status.ts';
import {mountAt} from '../../src/mount/mounts.ts';
import {whyNoLoop} from '../support/loops.ts';
import {whyNoNamespaces} from '../support/mounting.ts';
import {listTree, type WritableImage} from '../support/writable-mount.ts';
import {writes} from '../support/writing-tests.ts';

const digest = (file: string): string =>
	createHash('sha256').update(fs.readFileSync(file)).digest('hex');

/** A crash while four files are open that have been removed: the image as it is at that moment. */
function crash(place: WritableImage): void {
	place.mount('rw,commit=1000000');
	const copy = `${place.image}.dirty`;
	place.sh(`
		echo kept > kept; seq 100000 > long; mkdir d; echo in > d/file
		for n in 3 4 5 6; do seq \${n}00000 > $n; done
		exec 3< 3 4< 4 5< 5 6< 6
		rm 3 4 5 6
		sync kept long d/file d .
		cp ${place.image} ${copy}`);
	place.umount();
	fs.copyFileSync(copy, place.image);
	fs.rmSync(copy);
}

/** What the kernel's ext4 shows where it mounts read-only a device that it may write to. */
function listByKernel(place: WritableImage): string {
	const script = (body: string): string => `
		device=$(losetup -f --show "$0"); trap 'umount "$1" || true; losetup -d $device' EXIT
		mount -o ro $device "$1"
		cd "$1"
		${body}
		cd /`;
	const directory = path.join(place.folder, 'kernel');
	fs.mkdirSync(directory);
	const env = {...process.env, LC_ALL: 'C'};
	return listTree(body =>
		execFileSync('sh', ['-ec', script(body), place.image, directory], {encoding: 'utf8', env}),
	);
}

/** All that the superblock and the groups say, but for times, sums and the state of the journal. */
function facts(image: string): string {
	const ever =
		/^(Last write time|Lifetime writes|Checksum|Journal (sequence|start|checksum)|Filesystem created)\b/;
	const text = execFileSync('dumpe2fs', [image], {stdio: 'pipe', encoding: 'utf8'});
	return text
		.split('\n')
		.filter(line => !ever.test(line))
		.map(line => line.replaceAll(/csum 0x[0-9a-f]+|, checksum 0x[0-9a-f]+/g, ''))
		.join('\n');
}

for (const [name, format] of [
	['an orphan list', ['-t', 'ext4', '-O', '^orphan_file']],
	['an orphan file', ['-t', 'ext4', '-O', 'orphan_file']],
	['ext3', ['-t', 'ext3']],
] as const) {
	writes(
		`it leaves what the kernel's read-only mount leaves: ${name}`,
		(t, place) => {
			crash(place);
			t.regex(facts(place.image), /needs_recovery/);
			const dirty = fs.readFileSync(place.image);
			place.mount('ro,recover');
			const seen = listTree(script => place.sh(script));
			t.true(seen.includes('kept f 644'));
			t.is(place.check(), '', 'while it is mounted');
			const settled = digest(place.image);
			place.umount();
			t.is(digest(place.image), settled);
			t.is(place.check(), '');
			const ours = facts(place.image);

			fs.writeFileSync(place.image, dirty);
			t.is(listByKernel(place), seen);
			t.is(place.check(), '');
			t.is(ours, facts(place.image));
		},
		{format},
		whyNoLoop(),
	);
}

for (const isOrdinary of [false, true]) {
	const who = isOrdinary ? 'an ordinary user' : 'root';
	writes(
		`without it not a byte changes; with it the image is clean: ${who}`,
		(t, place) => {
			crash(place);
			const dirty = digest(place.image);
			place.mount('ro');
			t.is(place.sh('cat kept'), 'kept\n');
			place.umount();
			t.is(digest(place.image), dirty);
			const {status, stderr} = place.cli(
				'mount',
				place.image,
				place.mountpoint,
				'-r',
				'-o',
				'recover',
			);
			t.is(stderr, '');
			t.is(status, 0);
			t.true(mountAt(place.mountpoint)?.isReadOnly);
			t.is(place.sh('cat kept; ! echo 2>/dev/null > new; ls'), 'kept\nd\nkept\nlong\nlost+found\n');
			place.umount();
			t.is(place.check(), '');
		},
		{isOrdinary},
	);
}

writes('remount,rw follows, and ro again', async (t, place) => {
	crash(place);
	place.mount('ro,recover,allow_other');
	const answer = await askStatus(place.mountpoint);
	t.true(answer.kind === 'answered' && answer.status.readOnly);
	t.is(place.cli('mount', '-o', 'remount,rw', place.mountpoint).stderr, '');
	place.sh('echo new > new');
	t.is(place.cli('mount', '-o', 'remount,ro', place.mountpoint).stderr, '');
	t.is(place.check(), '');
	t.is(place.sh('! rm new 2>/dev/null; cat new'), 'new\n');
	place.umount();
	t.is(place.check(), '');
});

writes('it has the image alone', (t, place) => {
	place.mount('ro,recover');
	const other = path.join(place.folder, 'other');
	fs.mkdirSync(other);
	for (const options of ['ro', 'ro,recover', 'rw']) {
		const {status, stderr} = place.cli('mount', place.image, other, '-o', options);
		t.is(status, 1);
		t.regex(stderr, /is in use/);
	}
});

writes(
	'an image that can not be written to is refused where it needs recovery, else served',
	(t, place) => {
		fs.chmodSync(place.image, 0o444);
		place.mount('ro,recover');
		place.umount();
		fs.chmodSync(place.image, 0o644);
		crash(place);
		fs.chmodSync(place.image, 0o444);
		for (const options of ['ro,recover', 'recover']) {
			const {status, stderr} = place.cli('mount', place.image, place.mountpoint, '-o', options);
			t.is(status, 1);
			t.regex(
				stderr,
				/a crash has left something .*, but it can't be written to: you may not write to it;/,
			);
		}
		t.is(mountAt(place.mountpoint), null);
	},
	{isOrdinary: true},
);

writes(
	'run recovers as well',
	(t, place) => {
		crash(place);
		const {stdout, stderr} = place.cli(
			...['run', place.image, '-o', 'ro,recover', '--', 'sh', '-c', 'cat kept; echo >new'],
		);
		t.is(stdout, 'kept\n');
		t.regex(stderr, /Read-only file system/);
		t.is(place.check(), '');
	},
	{isOrdinary: true},
	whyNoNamespaces(),
);

writes(
	'where orphans are damaged it is served, and nothing is said to be lost',
	(t, place) => {
		// An inode that nobody uses.
		execFileSync('debugfs', ['-w', '-R', 'ssv last_orphan 50', place.image], {stdio: 'ignore'});
		const command = ['--', 'ls', '-a', '.'];
		const {status, stdout, stderr} = place.cli('run', place.image, '-o', 'ro,recover', ...command);
		t.is(status, 0);
		t.regex(stdout, /lost\+found/);
		t.regex(stderr, /were not all freed: an orphan that is not in use/);
		t.notRegex(stderr, /not all that was written/);
		t.is(place.cli('run', place.image, '-o', 'ro,recover', '--', 'true').status, 0);
	},
	{format: ['-t', 'ext4', '-O', '^orphan_file,^metadata_csum', '-e', 'remount-ro']},
	whyNoNamespaces(),
);
