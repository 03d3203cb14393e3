import test from 'ava';
import {inodeFlags} from '../../ext4/index.ts';
import {answerIoctl, changeByIoctl, ioctls, isChangingIoctl} from '../../src/ioctl.ts';
import {WrittenImage} from '../ext4/xattr/written-image.ts';
import {missing, testUnless} from '../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const owner = {isPrivileged: true, isOwner: true};

function words(...values: number[]): Uint8Array {
	const bytes = new Uint8Array(values.length * 4);
	const view = new DataView(bytes.buffer);
	for (const [index, value] of values.entries()) view.setUint32(index * 4, value, true);
	return bytes;
}

function tell(
	on: WrittenImage,
	file: string,
	command: number,
	bytes: Uint8Array,
	caller = owner,
): void {
	on.change(file, (handle, inode) => changeByIoctl(handle, inode, command, bytes, caller));
}

function ask(on: WrittenImage, file: string, command: number): DataView {
	const bytes = answerIoctl(on.volume, on.inode(file), command) ?? new Uint8Array(0);
	return new DataView(bytes.buffer);
}

test('what asks is not taken for what changes', t => {
	for (const [name, command] of Object.entries(ioctls))
		t.is(isChangingIoctl(command), /SET/.test(name));
	t.false(isChangingIoctl(0x1234));
});

testUnless(why, 'flags are told and asked, whichever size a long has', t => {
	const on = new WrittenImage();
	const before = ask(on, 'file', ioctls.FS_IOC_GETFLAGS).getUint32(0, true);
	tell(on, 'file', ioctls.FS_IOC_SETFLAGS, words(before | inodeFlags.noDump, 0));
	tell(
		on,
		'file',
		ioctls.FS_IOC32_SETFLAGS,
		words(before | inodeFlags.noDump | inodeFlags.noAtime),
	);
	const after = ask(on, 'file', ioctls.FS_IOC_GETFLAGS).getUint32(0, true);
	t.is(after, before | inodeFlags.noDump | inodeFlags.noAtime);
	t.is(on.check(), undefined);
});

/** struct fsxattr: flags, extent size, extents, project, extent size, padding. */
const fsxattr = (flags: number, projectId: number) => words(flags, 0, 0, projectId, 0, 0, 0);

testUnless(why, 'struct fsxattr goes there and back', t => {
	const on = new WrittenImage({make: ['-t', 'ext4', '-I', '256', '-O', 'quota,project']});
	tell(on, 'file', ioctls.FS_IOC_FSSETXATTR, fsxattr(0x8000_0000 | 0x40 | 0x80, 9));
	const answer = ask(on, 'file', ioctls.FS_IOC_FSGETXATTR);
	t.is(answer.getUint32(0, true), 0x40 | 0x80);
	t.is(answer.getUint32(12, true), 9);
	t.throws(() => tell(on, 'file', ioctls.FS_IOC_FSSETXATTR, fsxattr(0x1, 9)), {
		code: 'EOPNOTSUPP',
	});
	t.is(on.check(), undefined);
});

testUnless(why, 'generation and label', t => {
	const on = new WrittenImage({make: ['-t', 'ext4', '-O', '^metadata_csum']});
	tell(on, 'file', ioctls.FS_IOC_SETVERSION, words(77, 0));
	t.is(ask(on, 'file', ioctls.FS_IOC_GETVERSION).getUint32(0, true), 77);
	const label = new Uint8Array(256);
	label.set(Buffer.from('new label'));
	tell(on, 'file', ioctls.FS_IOC_SETFSLABEL, label);
	const answer = ask(on, 'file', ioctls.FS_IOC_GETFSLABEL);
	t.is(Buffer.from(answer.buffer).toString('latin1', 0, 9), 'new label');
	t.is(on.check(), undefined);
});

testUnless(why, 'who does not own the inode changes nothing, and too few bytes neither', t => {
	const on = new WrittenImage();
	const other = {isPrivileged: false, isOwner: false};
	t.throws(() => tell(on, 'file', ioctls.FS_IOC_SETFLAGS, words(0, 0), other), {code: 'EPERM'});
	t.throws(() => tell(on, 'file', ioctls.FS_IOC_SETFSLABEL, new Uint8Array(256), other), {
		code: 'EPERM',
	});
	t.throws(() => tell(on, 'file', ioctls.FS_IOC_SETFLAGS, Uint8Array.of(1)), {code: 'EINVAL'});
	t.throws(() => tell(on, 'file', 0x1234, words(0)), {code: 'ENOTTY'});
});
