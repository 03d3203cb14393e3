import test from 'ava';
import {
	ownersOf,
	ownersOfNew,
	showAclOwners,
	storeAclOwners,
	storedOwners,
	unmappedId,
} from '../../src/owners.ts';

test('without a map, owners are as the image says', t => {
	const {users, groups} = ownersOf({kind: 'image'});
	t.is(users.shown(100_000), 100_000);
	t.is(groups.stored(5), 5);
});

test('map=me shows all as one, which can not be turned round', t => {
	const {users, groups} = ownersOf({kind: 'owner', uid: 1000, gid: 1001});
	t.deepEqual([users.shown(0), users.shown(7), groups.shown(0)], [1000, 1000, 1001]);
	t.is(users.stored(1000), undefined);
});

test('uid= alone leaves groups as they are', t => {
	const {users, groups} = ownersOf({kind: 'owner', uid: 1000, gid: null});
	t.deepEqual([users.shown(0), groups.shown(77)], [1000, 77]);
});

const ranges = [
	{image: 0, host: 1000, count: 1},
	{image: 100, host: 200_000, count: 50},
] as const;

for (const {stored, shown} of [
	{stored: 0, shown: 1000},
	{stored: 100, shown: 200_000},
	{stored: 149, shown: 200_049},
]) {
	test(`idmap shows ${stored} as ${shown} and takes it back`, t => {
		const {users, groups} = ownersOf({kind: 'ranges', ranges});
		for (const map of [users, groups]) {
			t.is(map.shown(stored), shown);
			t.is(map.stored(shown), stored);
		}
	});
}

for (const id of [1, 99, 150, 0xffff_fffe]) {
	test(`idmap shows ${id}, which no range holds, as nobody`, t => {
		t.is(ownersOf({kind: 'ranges', ranges}).users.shown(id), unmappedId);
	});
}

test('what idmap shows to no one has no owner in the image', t => {
	t.is(ownersOf({kind: 'ranges', ranges}).users.stored(5), undefined);
});

const idmap = ownersOf({kind: 'ranges', ranges});
const asMe = ownersOf({kind: 'owner', uid: 1000, gid: 1001});

test('a chown is turned round; what is shown already stays', t => {
	const current = {uid: 0, gid: 101};
	t.deepEqual(storedOwners(idmap, current, {uid: 200_003}), {uid: 103});
	t.deepEqual(storedOwners(idmap, current, {uid: 1000, gid: 200_001}), {});
	t.deepEqual(storedOwners(idmap, {uid: 7, gid: 7}, {uid: unmappedId}), {});
	t.deepEqual(storedOwners(asMe, current, {uid: 1000, gid: 1001}), {});
	t.deepEqual(storedOwners(ownersOf({kind: 'image'}), current, {uid: 5, gid: 6}), {uid: 5, gid: 6});
});

test('a chown to who is nobody in the image is refused', t => {
	t.throws(() => storedOwners(idmap, {uid: 0, gid: 0}, {gid: 5}), {code: 'EPERM'});
	t.throws(() => storedOwners(asMe, {uid: 0, gid: 0}, {uid: 0}), {code: 'EPERM'});
});

test("a new file is its maker's, or its directory's where nobody knows who that is", t => {
	const directory = {uid: 7, gid: 8};
	const me = {uid: 1000, gid: 1001};
	t.deepEqual(ownersOfNew(ownersOf({kind: 'image'}), me, directory), me);
	t.deepEqual(ownersOfNew(asMe, me, directory), directory);
	t.deepEqual(ownersOfNew(asMe, me, directory, {uid: 1, gid: 2}), {uid: 1, gid: 2});
	t.deepEqual(ownersOfNew(idmap, {uid: 200_001, gid: 3}, directory), {uid: 101, gid: 8});
});

function aclOf(entries: readonly (readonly [tag: number, permissions: number, id: number])[]) {
	const acl = new Uint8Array(4 + entries.length * 8);
	const view = new DataView(acl.buffer);
	view.setUint32(0, 2, true);
	for (const [index, [tag, permissions, id]] of entries.entries()) {
		view.setUint16(4 + index * 8, tag, true);
		view.setUint16(6 + index * 8, permissions, true);
		view.setUint32(8 + index * 8, id, true);
	}
	return acl;
}

test('the users and groups named in an ACL are mapped, and only those', t => {
	const entries = [
		[0x01, 7, 0xffff_ffff],
		[0x02, 6, 100],
		[0x04, 5, 0xffff_ffff],
		[0x08, 4, 0],
		[0x20, 0, 0xffff_ffff],
	] as const;
	const acl = aclOf(entries);
	const view = new DataView(acl.buffer);
	showAclOwners(acl, idmap);
	t.deepEqual(
		entries.map((_, index) => view.getUint32(8 + index * 8, true)),
		[0xffff_ffff, 200_000, 0xffff_ffff, 1000, 0xffff_ffff],
	);
	storeAclOwners(acl, idmap);
	t.deepEqual(acl, aclOf(entries));
	t.throws(() => storeAclOwners(aclOf([[0x02, 6, 5]]), idmap), {code: 'EPERM'});
});
