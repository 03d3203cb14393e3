import test from 'ava';
import fc from 'fast-check';
import {FileError} from '../../../ext4/errors.ts';
import {
	type AclEntry,
	formatDiskAcl,
	formatWireAcl,
	parseDiskAcl,
	parseWireAcl,
} from '../../../ext4/xattr/acl.ts';
import {getXattr} from '../../../ext4/xattr/read.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {TinyImage} from '../../support/tiny-image.ts';
import {addXattrs} from '../../support/tiny-xattr.ts';

// setfacl -m u:1000:rw,g:100:r on a file of mode 0640, as debugfs and getfattr show it.
const entries: readonly AclEntry[] = [
	{kind: 'owner', permissions: 6, id: undefined},
	{kind: 'user', permissions: 6, id: 1000},
	{kind: 'group', permissions: 4, id: undefined},
	{kind: 'namedGroup', permissions: 4, id: 100},
	{kind: 'mask', permissions: 6, id: undefined},
	{kind: 'other', permissions: 0, id: undefined},
];
const onDisk = Buffer.from(
	'01000000' +
		'01000600' +
		'02000600e8030000' +
		'04000400' +
		'0800040064000000' +
		'10000600' +
		'20000000',
	'hex',
);
const onWire = Buffer.from(
	'02000000' +
		'01000600ffffffff' +
		'02000600e8030000' +
		'04000400ffffffff' +
		'0800040064000000' +
		'10000600ffffffff' +
		'20000000ffffffff',
	'hex',
);

test('an ACL in its two forms', t => {
	t.deepEqual(parseDiskAcl(onDisk, {}), entries);
	t.deepEqual(parseWireAcl(onWire), entries);
	t.deepEqual(Buffer.from(formatDiskAcl(entries)), onDisk);
	t.deepEqual(Buffer.from(formatWireAcl(entries)), onWire);
});

const anyEntry = fc.oneof(
	fc.record({
		kind: fc.constantFrom('user' as const, 'namedGroup' as const),
		permissions: fc.nat(7),
		id: fc.nat(2 ** 32 - 1),
	}),
	fc.record({
		kind: fc.constantFrom('owner', 'group', 'mask', 'other'),
		permissions: fc.nat(7),
		id: fc.constant(undefined),
	}),
);

test('any ACL survives the way into either form and back', t => {
	fc.assert(
		fc.property(fc.array(anyEntry, {maxLength: 40}), list => {
			t.deepEqual(parseDiskAcl(formatDiskAcl(list), {}), list);
			t.deepEqual(parseWireAcl(formatWireAcl(list)), list);
		}),
	);
});

const badOnDisk = [
	['', 'nothing'],
	['010000', 'less than a header'],
	['02000000', 'another version'],
	['010000000100', 'half an entry'],
	['0100000002000600e803', 'half a long entry'],
	['0100000003000600', 'an unknown tag'],
] as const;

for (const [hex, why] of badOnDisk) {
	test(`no ACL on the disk: ${why}`, t => {
		const place = {inode: 12};
		const error = corruptBy('EXT4_BAD_ACL', () => parseDiskAcl(Buffer.from(hex, 'hex'), place));
		t.is(error.place.inode, 12);
	});
}

const badOnWire = [
	['', 'nothing'],
	['01000000', 'another version'],
	['0200000001000600', 'half an entry'],
	['0200000003000600ffffffff', 'an unknown tag'],
] as const;

for (const [hex, why] of badOnWire) {
	test(`no ACL from a caller: ${why}`, t => {
		const read = () => parseWireAcl(Buffer.from(hex, 'hex'));
		t.is(t.throws(read, {instanceOf: FileError}).code, 'EINVAL');
	});
}

function aclOf(value: Uint8Array, name: string): Uint8Array | undefined {
	const image = new TinyImage();
	image.addFile(12, true, 0);
	addXattrs(image, 12, [
		{index: 2, name: '', value},
		{index: 3, name: '', value},
	]);
	const volume = image.open();
	return getXattr(volume, volume.readInode(12), name);
}

for (const name of ['system.posix_acl_access', 'system.posix_acl_default']) {
	test(`${name} comes in the form of getxattr`, t => {
		const small = entries.filter(entry => entry.id === undefined);
		t.deepEqual(aclOf(formatDiskAcl(small), name), formatWireAcl(small));
	});

	test(`${name} without entries is none`, t => {
		t.is(aclOf(formatDiskAcl([]), name), undefined);
	});

	test(`${name} that is broken is refused`, t => {
		corruptBy('EXT4_BAD_ACL', () => aclOf(Buffer.from('nonsense'), name));
		t.pass();
	});
}
