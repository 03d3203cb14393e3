import test from 'ava';
import {
	type AttributeChanges,
	killPrivileges,
	setAttributes,
	withoutPrivileges,
} from '../../../ext4/attributes.ts';
import {type FileType, type Inode, storableTime} from '../../../ext4/layout/inode.ts';
import {getXattr} from '../../../ext4/xattr/read.ts';
import {setXattr} from '../../../ext4/xattr/write.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {type ImageOptions, WrittenImage} from '../xattr/written-image.ts';

const why = missing('mke2fs') ?? missing('e2fsck');

function change(on: WrittenImage, file: string, changes: AttributeChanges): void {
	on.change(file, (handle, inode) => setAttributes(handle, inode, changes));
}

testUnless(why, 'mode, owners and times stay when mounted again', t => {
	const on = new WrittenImage();
	const at = (seconds: number) => ({seconds, nanoseconds: 987_654_321});
	change(on, 'file', {
		mode: 0o4751,
		uid: 100_000,
		gid: 0xffff_fffe,
		accessTime: at(-1),
		modificationTime: at(2 ** 33),
		changeTime: at(5),
	});
	on.reopen();
	const inode = on.inode('file');
	t.is(inode.mode, 0o104751);
	t.deepEqual([inode.uid, inode.gid], [100_000, 0xffff_fffe]);
	t.deepEqual(inode.accessTime, at(-1));
	t.deepEqual(inode.modificationTime, at(2 ** 33));
	t.deepEqual(inode.changeTime, at(5));
	t.is(on.check(), undefined);
});

testUnless(why, 'the time of the change is the present, and the type stays', t => {
	const on = new WrittenImage();
	const before = on.inode('folder').changeTime;
	change(on, 'folder', {mode: 0o107777});
	t.is(on.inode('folder').mode, 0o47777);
	t.notDeepEqual(on.inode('folder').changeTime, before);
	t.is(on.check(), undefined);
});

const bounds: readonly (readonly [string, ImageOptions, number, number])[] = [
	['256 bytes', {make: ['-t', 'ext4', '-I', '256']}, -(2 ** 31), 2 ** 31 - 1 + 3 * 2 ** 32],
	['128 bytes', {make: ['-t', 'ext3', '-I', '128']}, -(2 ** 31), 2 ** 31 - 1],
];

for (const [size, options, from, to] of bounds) {
	testUnless(why, `times beyond what an inode of ${size} can hold become its bounds`, t => {
		const on = new WrittenImage(options);
		change(on, 'file', {
			accessTime: {seconds: from - 1, nanoseconds: 7},
			modificationTime: {seconds: to + 1, nanoseconds: 7},
			changeTime: {seconds: 1000, nanoseconds: 7},
		});
		const {accessTime, modificationTime, changeTime} = on.inode('file');
		t.deepEqual(accessTime, {seconds: from, nanoseconds: 0});
		t.deepEqual(modificationTime, {seconds: to, nanoseconds: 0});
		t.deepEqual(changeTime, {seconds: 1000, nanoseconds: size === '256 bytes' ? 7 : 0});
		on.reopen();
		t.deepEqual(on.inode('file').modificationTime, modificationTime);
		t.deepEqual(on.inode('file').changeTime, changeTime);
		t.is(on.check(), undefined);
	});
}

test('each time has its own extra field, which an inode may lack', t => {
	const inode = {extraSizeBytes: 8} as Inode;
	const time = {seconds: 2 ** 32, nanoseconds: 1};
	t.deepEqual(storableTime(inode, time, 'changeTime'), time);
	t.is(storableTime(inode, time, 'modificationTime').seconds, 2 ** 31 - 1);
});

for (const [type, before, after] of [
	['file', 0o106755, 0o100755],
	['file', 0o106745, 0o102745],
	['file', 0o100755, 0o100755],
	['directory', 0o46755, 0o46755],
] as const) {
	test(`a ${type} of mode ${before.toString(8)} is left ${after.toString(8)}`, t => {
		t.is(withoutPrivileges({type: type as FileType, mode: before} as Inode), after);
	});
}

testUnless(why, 'a write and a chown take setuid and capabilities away', t => {
	const on = new WrittenImage();
	const arm = () =>
		on.change('file', (handle, inode) => {
			setXattr(handle, inode, 'security.capability', new Uint8Array(20), 'any');
			setXattr(handle, inode, 'user.x', new Uint8Array(20), 'any');
			setAttributes(handle, inode, {mode: 0o6755});
		});
	const isDisarmed = () => {
		t.is(on.inode('file').mode & 0o7777, 0o755);
		t.is(getXattr(on.volume, on.inode('file'), 'security.capability'), undefined);
		t.not(getXattr(on.volume, on.inode('file'), 'user.x'), undefined);
	};
	arm();
	on.change('file', (handle, inode) => killPrivileges(handle, inode));
	isDisarmed();
	arm();
	change(on, 'file', {uid: 5, killsPrivileges: true});
	isDisarmed();
	t.is(on.check(), undefined);
});

testUnless(why, 'a new owner takes what the inode uses of quotas along', t => {
	const on = new WrittenImage({
		make: [
			'-t',
			'ext4',
			'-b',
			'1024',
			'-O',
			'quota,project,ea_inode',
			'-E',
			'quotatype=usrquota:grpquota:prjquota',
		],
	});
	on.change('file', (handle, inode) => {
		setXattr(handle, inode, 'user.long', new Uint8Array(3000), 'any');
	});
	change(on, 'file', {uid: 1000, gid: 7});
	change(on, 'file', {uid: 1001});
	t.is(on.check(), undefined);
});
