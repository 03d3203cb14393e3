/** What setting an attribute refuses, and with which errno. */
import {setFlags} from '../../../ext4/attributes-flags.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {getXattr, listXattrs} from '../../../ext4/xattr/read.ts';
import {
	inlineRoom,
	removeXattr,
	setXattr,
	storeInlineValue,
	type XattrMode,
} from '../../../ext4/xattr/write.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {WrittenImage} from './written-image.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const value = Uint8Array.of(1, 2, 3);

function set(
	on: WrittenImage,
	file: string,
	name: string,
	bytes = value,
	mode: XattrMode = 'any',
): void {
	on.change(file, (handle, inode) => setXattr(handle, inode, name, bytes, mode));
}

const refused = [
	['EOPNOTSUPP', 'file', 'system.data'],
	['EOPNOTSUPP', 'file', 'system.richacl'],
	['EOPNOTSUPP', 'file', 'nonsense'],
	['EOPNOTSUPP', 'file', 'gnu.author'],
	['EINVAL', 'file', 'user.'],
	['EINVAL', 'file', 'trusted.'],
	['ERANGE', 'file', `user.${'n'.repeat(256)}`],
	['EPERM', 'link', 'user.x'],
	['EINVAL', 'file', 'system.posix_acl_access'],
] as const;

for (const [code, file, name] of refused) {
	testUnless(why, `${code} for ${name.slice(0, 30)} on ${file}`, t => {
		t.throws(() => set(new WrittenImage(), file, name), {code});
	});
}

testUnless(why, 'the longest name is taken, and trusted.* on a link', t => {
	const on = new WrittenImage();
	set(on, 'file', `user.${'n'.repeat(255)}`);
	set(on, 'link', 'trusted.x');
	t.deepEqual(getXattr(on.volume, on.inode('link'), 'trusted.x'), value);
	t.is(on.check(), undefined);
});

testUnless(why, 'a link with a large value is still one whose target lies in the inode', t => {
	const on = new WrittenImage({make: ['-t', 'ext4', '-O', 'ea_inode']});
	set(on, 'link', 'trusted.x', new Uint8Array(20_000));
	t.not(on.inode('link').xattrBlock, 0);
	t.is(on.check(), undefined);
});

testUnless(why, 'create and replace, and removing what is not there', t => {
	const on = new WrittenImage();
	t.throws(() => set(on, 'file', 'user.x', value, 'replace'), {code: 'ENODATA'});
	set(on, 'file', 'user.x', value, 'create');
	t.throws(() => set(on, 'file', 'user.x', value, 'create'), {code: 'EEXIST'});
	set(on, 'file', 'user.x', Uint8Array.of(9), 'replace');
	t.deepEqual(getXattr(on.volume, on.inode('file'), 'user.x'), Uint8Array.of(9));
	const remove = () => on.change('file', (handle, inode) => removeXattr(handle, inode, 'user.x'));
	remove();
	t.throws(remove, {code: 'ENODATA'});
	t.is(on.check(), undefined);
});

testUnless(why, 'a value is too long for anyone, or for this file system', t => {
	const on = new WrittenImage({make: ['-t', 'ext4', '-b', '1024']});
	t.throws(() => set(on, 'file', 'user.x', new Uint8Array(65_537)), {code: 'E2BIG'});
	t.throws(() => set(on, 'file', 'user.x', new Uint8Array(1000)), {code: 'ENOSPC'});
	t.deepEqual(listXattrs(on.volume, on.inode('file')), []);
	t.is(on.check(), undefined);
});

testUnless(why, 'what is immutable or only appended to keeps its attributes', t => {
	for (const flag of [inodeFlags.immutable, inodeFlags.appendOnly]) {
		const on = new WrittenImage();
		on.change('file', (handle, inode) =>
			setFlags(handle, inode, inode.flags | flag, {isPrivileged: true}),
		);
		t.throws(() => set(on, 'file', 'user.x'), {code: 'EPERM'});
		t.is(on.check(), undefined);
	}
});

testUnless(why, 'setting what is there already changes nothing, not even a time', t => {
	const on = new WrittenImage();
	set(on, 'file', 'user.x');
	const before = on.inode('file').changeTime;
	set(on, 'file', 'user.x');
	t.deepEqual(on.inode('file').changeTime, before);
	set(on, 'file', 'user.x', Uint8Array.of(0));
	t.notDeepEqual(on.inode('file').changeTime, before);
});

testUnless(why, 'the first attribute of a file system turns on its feature', t => {
	const on = new WrittenImage({make: ['-t', 'ext4', '-O', '^ext_attr']});
	t.false(on.volume.features.has('ext_attr'));
	set(on, 'file', 'user.x', new Uint8Array(500));
	t.true(on.volume.features.has('ext_attr'));
	on.reopen();
	t.true(on.volume.features.has('ext_attr'));
	t.is(on.check(), undefined);
});

testUnless(why, 'inline data has the room in the inode that attributes leave', t => {
	const on = new WrittenImage({make: ['-t', 'ext4', '-O', 'inline_data', '-I', '256']});
	const room = () => inlineRoom(on.volume, on.inode('file'));
	t.is(room(), 256 - 160 - 4 - 4 - 20);
	set(on, 'file', 'user.x', new Uint8Array(8));
	t.is(room(), 256 - 160 - 4 - 4 - 20 - (20 + 8));
	const store = (length: number) =>
		on.change('file', (handle, inode) =>
			storeInlineValue(handle, inode, new Uint8Array(length).fill(7)),
		);
	t.throws(() => store(room() + 1), {code: 'ENOSPC'});
	store(room());
	t.is(listXattrs(on.volume, on.inode('file')).length, 1);
	// No room beside it: the attribute moves to a block, the data stay.
	set(on, 'file', 'user.x', new Uint8Array(40));
	t.not(on.inode('file').xattrBlock, 0);
	store(room());
	t.is(on.check(), undefined);
});
