import test from 'ava';
import fc from 'fast-check';
import type {MutableInode} from '../../../ext4/layout/inode.ts';
import {type AclEntry, formatWireAcl, parseWireAcl} from '../../../ext4/xattr/acl.ts';
import {
	aclProblem,
	aclWithMode,
	inheritedAcl,
	isJustMode,
	modeOfAcl,
} from '../../../ext4/xattr/acl-rules.ts';
import {applyModeToAcl, inheritAcls} from '../../../ext4/xattr/acl-write.ts';
import {getXattr, listXattrs} from '../../../ext4/xattr/read.ts';
import {removeXattr, setXattr} from '../../../ext4/xattr/write.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {WrittenImage} from './written-image.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const access = 'system.posix_acl_access';
const defaults = 'system.posix_acl_default';

/** As `user::rw-,user:1000:r--` with digits: `owner 6`, `user 4 1000`. */
function acl(...entries: string[]): AclEntry[] {
	return entries.map(text => {
		const [kind, permissions, id] = text.split(' ');
		return {
			kind: kind as AclEntry['kind'],
			permissions: Number(permissions),
			id: id === undefined ? undefined : Number(id),
		};
	});
}

const minimal = acl('owner 6', 'group 4', 'other 0');
const extended = acl('owner 7', 'user 5 1000', 'group 4', 'namedGroup 7 7', 'mask 5', 'other 1');

const wrong: readonly (readonly [string, AclEntry[]])[] = [
	['nothing', []],
	['no owner', acl('group 4', 'other 0')],
	['no group', acl('owner 4', 'other 0')],
	['no other', acl('owner 4', 'group 0')],
	['two owners', acl('owner 4', 'owner 4', 'group 0', 'other 0')],
	['two masks', acl('owner 4', 'group 0', 'mask 1', 'mask 1', 'other 0')],
	['no mask', acl('owner 4', 'user 1 5', 'group 0', 'other 0')],
	['no mask for a group', acl('owner 4', 'group 0', 'namedGroup 1 5', 'other 0')],
	['out of order', acl('owner 4', 'group 0', 'user 1 5', 'mask 1', 'other 0')],
	['other before mask', acl('owner 4', 'group 0', 'other 0', 'mask 1')],
	['permissions of 8', acl('owner 8', 'group 0', 'other 0')],
	['no one named', acl('owner 4', 'user 1 4294967295', 'group 0', 'mask 1', 'other 0')],
];

for (const [problem, entries] of wrong) {
	test(`an ACL that can't be: ${problem}`, t => {
		t.not(aclProblem(entries), undefined);
	});
}

for (const entries of [minimal, extended, acl('owner 6', 'group 4', 'mask 4', 'other 0')]) {
	test(`an ACL of ${entries.length} entries that can be`, t => {
		t.is(aclProblem(entries), undefined);
	});
}

test('the mode that shows an ACL has the mask for its group', t => {
	t.is(modeOfAcl(minimal), 0o640);
	t.is(modeOfAcl(extended), 0o751);
	t.true(isJustMode(minimal));
	t.false(isJustMode(extended));
	t.false(isJustMode(acl('owner 6', 'group 4', 'mask 4', 'other 0')));
});

test('a chmod changes the mask, not the group, where there is one', t => {
	const changed = aclWithMode(extended, 0o0624);
	t.deepEqual(
		changed,
		acl('owner 6', 'user 5 1000', 'group 4', 'namedGroup 7 7', 'mask 2', 'other 4'),
	);
	t.is(modeOfAcl(changed), 0o624);
	t.is(modeOfAcl(aclWithMode(minimal, 0o777)), 0o777);
});

test('what is inherited grants no more than the default ACL and the mode', t => {
	const permissions = fc.integer({min: 0, max: 7});
	fc.assert(
		fc.property(
			fc.array(permissions, {minLength: 6, maxLength: 6}),
			fc.integer({min: 0, max: 0o777}),
			(bits, mode) => {
				const given = extended.map((entry, index) => ({...entry, permissions: bits[index] ?? 0}));
				const inherited = inheritedAcl(given, mode);
				t.is(modeOfAcl(inherited), modeOfAcl(given) & mode);
				t.true(
					inherited.every(
						(entry, at) => (entry.permissions & ~(given[at]?.permissions ?? 0)) === 0,
					),
				);
			},
		),
	);
});

function setAcl(
	on: WrittenImage,
	file: string,
	name: string,
	entries: readonly AclEntry[],
	clearsSetgid = false,
): void {
	on.change(file, (handle, inode) =>
		setXattr(handle, inode, name, formatWireAcl(entries), 'any', {clearsSetgid}),
	);
}

function getAcl(on: WrittenImage, file: string, name: string): AclEntry[] | undefined {
	const value = getXattr(on.volume, on.inode(file), name);
	return value === undefined ? undefined : parseWireAcl(value);
}

function permissionsOf(on: WrittenImage, file: string): number {
	return on.inode(file).mode & 0o7777;
}

testUnless(why, 'an ACL that a mode can say is the mode', t => {
	const on = new WrittenImage();
	setAcl(on, 'file', access, extended);
	t.deepEqual(getAcl(on, 'file', access), extended);
	t.is(permissionsOf(on, 'file'), 0o751);
	setAcl(on, 'file', access, minimal);
	t.is(getAcl(on, 'file', access), undefined);
	t.is(permissionsOf(on, 'file'), 0o640);
	t.deepEqual(listXattrs(on.volume, on.inode('file')), []);
	t.is(on.check(), undefined);
});

testUnless(why, 'removing an ACL leaves the mode; one that is not there is no failure', t => {
	const on = new WrittenImage();
	setAcl(on, 'file', access, extended);
	const remove = () => on.change('file', (handle, inode) => removeXattr(handle, inode, access));
	remove();
	remove();
	t.is(getAcl(on, 'file', access), undefined);
	t.is(permissionsOf(on, 'file'), 0o751);
	setAcl(on, 'file', access, extended);
	setAcl(on, 'file', access, []);
	t.is(getAcl(on, 'file', access), undefined);
	t.is(on.check(), undefined);
});

testUnless(why, 'who is not in the group loses setgid by setting an ACL', t => {
	const on = new WrittenImage();
	on.change('file', (handle, inode) => {
		handle.edit(inode).mode |= 0o2000;
	});
	setAcl(on, 'file', access, extended);
	t.is(permissionsOf(on, 'file'), 0o2751);
	setAcl(on, 'file', access, minimal, true);
	t.is(permissionsOf(on, 'file'), 0o640);
});

testUnless(why, 'only directories have default ACLs, and symlinks have none', t => {
	const on = new WrittenImage();
	t.throws(() => setAcl(on, 'file', defaults, minimal), {code: 'EACCES'});
	t.notThrows(() => setAcl(on, 'file', defaults, []));
	t.throws(() => setAcl(on, 'link', access, minimal), {code: 'EOPNOTSUPP'});
	t.throws(() => setAcl(on, 'folder', defaults, wrong[1]?.[1] ?? []), {code: 'EINVAL'});
	setAcl(on, 'folder', defaults, minimal);
	t.deepEqual(getAcl(on, 'folder', defaults), minimal);
	t.is(on.check(), undefined);
});

testUnless(why, 'a chmod goes into the ACL', t => {
	const on = new WrittenImage();
	setAcl(on, 'file', access, extended);
	on.change('file', (handle, inode) => applyModeToAcl(handle, inode, 0o4624));
	t.is(permissionsOf(on, 'file'), 0o4624);
	t.deepEqual(getAcl(on, 'file', access), aclWithMode(extended, 0o624));
	t.is(on.check(), undefined);
});

/** `other` stands for a new inode in `folder`. */
function inherit(on: WrittenImage, mode: number, umask: number, child: string): void {
	on.volume.transact(handle => {
		const parent = on.inode('folder');
		const inode: MutableInode = handle.edit(on.inode(child));
		inheritAcls(handle, parent, inode, mode, umask);
	});
}

testUnless(why, 'without a default ACL the umask applies, but to symlinks', t => {
	const on = new WrittenImage({files: ['other']});
	inherit(on, 0o106666, 0o27, 'other');
	t.is(permissionsOf(on, 'other'), 0o6640);
	inherit(on, 0o120777, 0o27, 'link');
	t.is(permissionsOf(on, 'link'), 0o777);
	t.is(on.check(), undefined);
});

testUnless(why, 'with a default ACL it does not; files and directories inherit', t => {
	const on = new WrittenImage({files: ['other']});
	setAcl(on, 'folder', defaults, extended);
	inherit(on, 0o100666, 0o77, 'other');
	t.is(permissionsOf(on, 'other'), 0o640);
	t.deepEqual(getAcl(on, 'other', access), inheritedAcl(extended, 0o666));
	t.is(getAcl(on, 'other', defaults), undefined);
	inherit(on, 0o40777, 0o77, 'folder');
	t.is(permissionsOf(on, 'folder'), 0o751);
	t.deepEqual(getAcl(on, 'folder', defaults), extended);
	t.is(on.check(), undefined);
});

testUnless(why, 'a default ACL that a mode can say is inherited as a mode', t => {
	const on = new WrittenImage({files: ['other']});
	setAcl(on, 'folder', defaults, minimal);
	inherit(on, 0o100666, 0o77, 'other');
	t.is(permissionsOf(on, 'other'), 0o640);
	t.deepEqual(listXattrs(on.volume, on.inode('other')), []);
});
