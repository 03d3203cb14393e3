/** `mount -t fuse.ext4box` and umount(8): from the command line, from fstab, as root and as a user. */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {Mount8, whyNoMount8} from '../support/mount8-namespace.ts';
import {missing, serialTestUnless} from '../support/skip.ts';

const reason = whyNoMount8();
let installed: Mount8 | undefined;

test.before(() => {
	if (reason === null) installed = new Mount8();
});

test.after.always(() => installed?.[Symbol.dispose]());

const nobody = 65_534;
const asUser = `user() { setpriv --reuid ${nobody} --regid ${nobody} --clear-groups "$@"; }
other() { setpriv --reuid 1 --regid 1 --clear-groups "$@"; }
`;
/** Right behind umount: the device has to be free, and what is on it whole. */
const checkNow = (device: string): string => `! fuser -s ${device} 2>/dev/null
		e2fsck -fn ${device} >/dev/null 2>&1`;

type Place = {
	readonly image: string;
	readonly directory: string;
	/** Runs a script with $IMAGE and $DIR, and `user COMMAND`; throws what it said where it fails. */
	run(script: string, fstab?: string): string;
	/** As `run`, for one that has to fail: its status, and stderr. */
	fail(script: string, fstab?: string): {status: number | null; stderr: string};
};

function makePlace(): Place & Disposable {
	const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-mount8-')));
	fs.chmodSync(folder, 0o755);
	const image = path.join(folder, 'disk.img');
	const directory = path.join(folder, 'mnt');
	execFileSync('mke2fs', [
		'-q',
		'-F',
		'-t',
		'ext4',
		'-E',
		`root_owner=${nobody}:${nobody}`,
		image,
		'16M',
	]);
	fs.mkdirSync(directory);
	for (const each of [image, directory]) fs.chownSync(each, nobody, nobody);
	const start = (script: string, fstab = '') => {
		if (installed === undefined) throw new Error('nothing is installed');
		const prelude = 'IMAGE=$1 DIR=$2\n';
		return installed.run(fstab, `${prelude}${asUser}${script}`, image, directory);
	};
	return {
		image,
		directory,
		run(script, fstab) {
			const {status, stdout, stderr} = start(script, fstab);
			if (status !== 0) throw new Error(`status ${status}: ${stdout}${stderr}`);
			return stdout;
		},
		fail(script, fstab) {
			const {status, stderr} = start(script, fstab);
			return {status, stderr};
		},
		[Symbol.dispose]() {
			fs.rmSync(folder, {recursive: true, force: true});
		},
	};
}

function mounts(
	title: string,
	body: (t: ExecutionContext, place: Place) => void,
	lacking?: string | null,
): void {
	serialTestUnless(reason ?? lacking, title, t => {
		using place = makePlace();
		body(t, place);
	});
}

mounts('root mounts an image, remounts it, and umount leaves it free and whole', (t, place) => {
	const out = place.run(`
		mount -t fuse.ext4box $IMAGE $DIR
		findmnt -rno SOURCE,FSTYPE $DIR
		df --output=source,fstype $DIR | tail -n 1
		echo one > $DIR/file
		mount -o remount,ro $DIR
		findmnt -rno OPTIONS $DIR | cut -d, -f1
		! { echo two > $DIR/file; } 2>/dev/null
		mount -o remount,rw $DIR
		echo two >> $DIR/file
		for n in 1 2 3 4 5 6 7 8; do cp -r /etc/init.d $DIR/$n || mkdir $DIR/$n; done
		umount $DIR
		${checkNow('$IMAGE')}
		mount -r -t fuse.ext4box $IMAGE $DIR
		cat $DIR/file
		umount $IMAGE
		${checkNow('$IMAGE')}
	`);
	const source = place.image;
	t.deepEqual(
		out.split('\n').map(line => line.replace(/ +/, ' ')),
		[...[`${source} fuse.ext4box`, `${source} fuse.ext4box`, 'ro', 'one', 'two', '']],
	);
});

mounts('a block device, under the type and the name that were asked for', (t, place) => {
	const out = place.run(`
		dev=$(losetup -f --show $IMAGE)
		trap 'umount $DIR 2>/dev/null || true; losetup -d $dev' EXIT
		mount -t fuse.ext4box -o fsname=$dev,subtype=ext4,allow_other $dev $DIR
		test "$(findmnt -rno SOURCE,FSTYPE $DIR)" = "$dev fuse.ext4"
		user sh -c "echo mine > $DIR/file; stat -c %u $DIR/file"
		! mount -t ext4 $dev /mnt 2>/dev/null
		umount $DIR
		${checkNow('$dev')}
		mount -t fuse.ext4box -o fsname=disk $dev $DIR
		findmnt -rno SOURCE,FSTYPE $DIR
		umount disk
		${checkNow('$dev')}
		mount -t ext4 -o ro $dev $DIR
		cat $DIR/file
	`);
	t.is(out, `${nobody}\ndisk fuse.ext4box\nmine\n`);
});

mounts('a link named mount.fuse.ext4 takes that type', (t, place) => {
	const out = place.run(`
		ln -s mount.fuse.ext4box $0/sbin/mount.fuse.ext4
		trap 'rm $0/sbin/mount.fuse.ext4' EXIT
		mount -t overlay -o "lowerdir=$0/sbin:$(readlink -f /sbin)" none "$(readlink -f /sbin)"
		mount -t fuse.ext4 $IMAGE $DIR
		mount -o remount,ro $DIR
		findmnt -rno FSTYPE,OPTIONS $DIR | cut -d, -f1
		umount $DIR
		${checkNow('$IMAGE')}
	`);
	t.is(out, 'fuse.ext4 ro\n');
});

mounts('an ordinary user mounts what fstab lets them, and unmounts it', (t, place) => {
	const words =
		'user,noauto,nofail,map=me,comment=hers,x-systemd.automount,x-systemd.idle-timeout=1min';
	const out = place.run(
		`
		user mount -v $DIR 2>&1 | grep -o 'by the installed helper'
		user sh -c "echo mine > $DIR/file; stat -c %u $DIR/file"
		findmnt -rno SOURCE,FSTYPE,OPTIONS $DIR
		! other umount $DIR 2>/dev/null
		findmnt -rno FSTYPE $DIR
		user umount $DIR
		${checkNow('$IMAGE')}
		! findmnt $DIR
	`,
		`${place.image} ${place.directory} fuse.ext4box ${words} 0 0`,
	);
	const [way, uid, line, type] = out.split('\n');
	t.is(way, 'by the installed helper');
	t.is(uid, String(nobody));
	const options = `rw,nosuid,nodev,noexec,relatime,user_id=${nobody},group_id=${nobody}`;
	t.is(line, `${place.image} fuse.ext4box ${options}`);
	t.is(type, 'fuse.ext4box');
});

mounts('root mounts and unmounts all of fstab, as a boot and a shutdown do', (t, place) => {
	const out = place.run(
		`
		# Copies of what other tests have mounted: this namespace is private.
		findmnt -rno TARGET -t fuse.ext4box | while read -r each; do umount -i -l "$each"; done
		mount -a
		findmnt -rno SOURCE,FSTYPE,OPTIONS $DIR
		umount -a -t fuse.ext4box
		${checkNow('$IMAGE')}
		! findmnt $DIR
		mount $DIR
		user umount $DIR 2>&1 | grep -o 'not yours: uid 0 mounted it'
		umount $DIR
		! findmnt $DIR
	`,
		`${place.image} ${place.directory} fuse.ext4box users,nofail,ro,exec,uid=${nobody} 0 2`,
	);
	t.is(
		out,
		`${place.image} fuse.ext4box ro,nosuid,nodev,relatime,user_id=0,group_id=0\nnot yours: uid 0 mounted it\n`,
	);
});

mounts('what systemd runs for a .mount unit', (t, place) => {
	const out = place.run(`
		mount $IMAGE $DIR -t fuse.ext4box -o noauto,nofail,x-systemd.automount,_netdev
		findmnt -rno FSTYPE $DIR
		umount $DIR -c
		${checkNow('$IMAGE')}
	`);
	t.is(out, 'fuse.ext4box\n');
});

const automount = path.join(import.meta.dirname, '../support/automount.ts');
const hasAutofs =
	reason === null && fs.readFileSync('/proc/filesystems', 'utf8').includes('\tautofs\n');

mounts(
	'systemd’s automount: who goes there waits for the mount, and umount leaves it free',
	(t, place) => {
		const out = place.run(`
			mkfifo $0/held
			setsid -w timeout 90 ${process.execPath} ${automount} $DIR $IMAGE $0/held
			${checkNow('$IMAGE')}
			findmnt -rno FSTYPE $DIR
			umount $DIR
		`);
		t.is(out, 'lost+found\nautofs\n');
	},
	hasAutofs ? null : 'no autofs',
);

mounts('rw by default, where the image allows it: else read-only, which is said', (t, place) => {
	const out = place.run(`
		chmod 444 $IMAGE
		user mount.fuse.ext4box $IMAGE $DIR -o rw 2>&1 | grep -o 'mounted read-only: you may not write to it'
		findmnt -rno OPTIONS $DIR | cut -d, -f1
		user umount.fuse.ext4box $DIR
		dev=$(losetup -r -f --show $IMAGE)
		trap 'umount $DIR 2>/dev/null || true; losetup -d $dev' EXIT
		mount -t fuse.ext4box $dev $DIR 2>&1 | grep -o 'mounted read-only: the device is read-only'
		umount $DIR
	`);
	t.is(
		out,
		'mounted read-only: you may not write to it\nro\nmounted read-only: the device is read-only\n',
	);
});

mounts('fake, sloppy, wrong options, no image: the statuses of mount(8)', (t, place) => {
	t.is(place.run('mount -f -t fuse.ext4box $IMAGE $DIR; findmnt $DIR || true'), '');
	t.is(
		place.run(
			'mount -s -t fuse.ext4box -o nonsense,ro $IMAGE $DIR 2>/dev/null; umount $DIR; echo done',
		),
		'done\n',
	);
	const wrong = place.fail('mount -t fuse.ext4box -o nonsense $IMAGE $DIR');
	t.is(wrong.status, 1);
	t.regex(wrong.stderr, /unknown mount option: "nonsense"/);
	const none = place.fail('mount -t fuse.ext4box $IMAGE.not $DIR');
	t.is(none.status, 32);
	t.regex(none.stderr, /disk\.img\.not/);
});

mounts('a user’s mount can’t pass for another device', (t, place) => {
	const taken = place.fail('user mount.fuse.ext4box $IMAGE $DIR -o fsname=/etc/passwd');
	t.is(taken.status, 32);
	t.regex(taken.stderr, /only root may choose/);
	const out = place.run(`
		ln -s disk.img $(dirname $IMAGE)/link
		for name in $IMAGE $(dirname $IMAGE)/link anything; do
			user mount.fuse.ext4box $IMAGE $DIR -o fsname=$name
			findmnt -rno SOURCE $DIR
			user umount.fuse.ext4box $DIR
		done
		mount.fuse.ext4box $IMAGE $DIR -o fsname=/etc/passwd
		findmnt -rno SOURCE $DIR
		umount $DIR
	`);
	const link = path.join(path.dirname(place.image), 'link');
	t.is(out, `${place.image}\n${link}\nanything\n/etc/passwd\n`);
});

mounts('umount of what is another’s goes on to its own way', (t, place) => {
	const out = place.run(`
		mount -t tmpfs none $DIR
		umount.fuse.ext4box $DIR
		! findmnt $DIR
		mount -t tmpfs -o ro none $DIR
		umount $DIR
		! findmnt $DIR
	`);
	t.is(out, '');
});

mounts(
	'so does umount of fuse2fs’s, which calls its mounts fuse.ext4 as well',
	(t, place) => {
		const out = place.run(`
			fuse2fs $IMAGE $DIR 2>/dev/null >&2
			findmnt -rno FSTYPE $DIR
			! $0/bin/ext4box umount $DIR 2>/dev/null
			umount.fuse.ext4box $DIR
			! findmnt $DIR
		`);
		t.is(out, 'fuse.ext4\n');
	},
	missing('fuse2fs'),
);

mounts(
	'an ordinary user unmounts what is theirs and another’s, with the options that they may give',
	(t, place) => {
		const out = place.run(`
			for options in '' -l -v; do
				user fuse2fs -o fakeroot $IMAGE $DIR 2>/dev/null >&2
				findmnt -rno FSTYPE $DIR
				! other umount $options $DIR 2>/dev/null
				user umount $options $DIR >/dev/null
				! findmnt $DIR
			done
		`);
		t.is(out, 'fuse.ext4\n'.repeat(3));
	},
	missing('fuse2fs') ?? missing('fusermount3'),
);

mounts(
	'root, whom the kernel keeps out of a user’s mount, hears so and changes nothing',
	(t, place) => {
		const out = place.run(`
		user mount.fuse.ext4box $IMAGE $DIR
		for try in 'mount -o remount,ro' 'mount -o remount,rw' \\
				"$0/bin/ext4box mount -o remount,ro" "$0/bin/ext4box status"; do
			! $try $DIR 2> $0/said
			grep -o 'the kernel lets only its mounter in (uid [0-9]*): [a-z]* .*' $0/said
		done
		findmnt -rno OPTIONS $DIR | cut -d, -f1
		user sh -c "echo still > $DIR/file"
		user $0/bin/ext4box mount -o remount,ro $DIR
		! user sh -c "echo no > $DIR/file" 2>/dev/null
		user $0/bin/ext4box mount -o remount,rw $DIR
		user sh -c "echo again > $DIR/file; cat $DIR/file"
		umount $DIR
		${checkNow('$IMAGE')}
	`);
		const only = `the kernel lets only its mounter in (uid ${nobody}):`;
		const remounts = `${only} do it as that user\n`.repeat(3);
		t.is(out, `${remounts}${only} ask as that user\nrw\nagain\n`);
	},
);

mounts('read-only after a recovery in the image, and then writable', (t, place) => {
	const out = place.run(`
		mount -t fuse.ext4box -o commit=1000000 $IMAGE $DIR
		echo kept > $DIR/kept
		exec 3> $DIR/removed
		rm $DIR/removed
		sync $DIR/kept
		cp $IMAGE $IMAGE.dirty
		exec 3>&-
		umount $DIR
		mv $IMAGE.dirty $IMAGE
		dumpe2fs -h $IMAGE 2>/dev/null | grep -o needs_recovery
		mount -t fuse.ext4box -o ro,recover $IMAGE $DIR
		findmnt -rno OPTIONS $DIR | cut -d, -f1
		e2fsck -fn $IMAGE >/dev/null 2>&1
		cat $DIR/kept
		mount -o remount,rw $DIR
		echo more >> $DIR/kept
		umount $DIR
		${checkNow('$IMAGE')}
		mount -t fuse.ext4box -o ro $IMAGE $DIR
		cat $DIR/kept
		umount $DIR`);
	t.is(out, 'needs_recovery\nro\nkept\nkept\nmore\n');
});

mounts('a remount that the server refuses is undone in the mount table', (t, place) => {
	const out = place.run(`
		policy() { sed -i "s/^allow_other .*/allow_other $1/" $0/etc/ext4box.conf; }
		holder=
		trap 'policy no; kill $holder 2>/dev/null || true' EXIT
		policy yes
		user mount.fuse.ext4box $IMAGE $DIR -o allow_other
		user sh -c "echo > $DIR/open; exec 4< $DIR/open; rm $DIR/open; echo \\$\\$; exec sleep 300" > $0/holder-id &
		for n in $(seq 300); do [ -s $0/holder-id ] || sleep 0.1; done
		holder=$(cat $0/holder-id)
		! mount -o remount,ro $DIR 2> $0/said
		grep -o 'have no name any more' $0/said
		findmnt -rno OPTIONS $DIR | cut -d, -f1
		user sh -c "echo one > $DIR/file; cat $DIR/file"
		kill $holder
		for n in $(seq 300); do mount -o remount,ro $DIR 2> $0/said && break; sleep 0.1; done
		findmnt -rno OPTIONS $DIR | cut -d, -f1
		! user $0/bin/ext4box mount -o remount,rw $DIR 2> $0/said
		grep -o 'mount -i -o remount,rw' $0/said
		mount -i -o remount,rw $DIR
		user sh -c "echo two > $DIR/file; cat $DIR/file"
		mount -o remount,ro $DIR
		mount -o remount,rw $DIR
		user sh -c "echo three > $DIR/file; cat $DIR/file"
		umount $DIR
		${checkNow('$IMAGE')}
	`);
	t.is(out, 'have no name any more\nrw\none\nro\nmount -i -o remount,rw\ntwo\nthree\n');
});
