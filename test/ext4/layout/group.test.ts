import test from 'ava';
import {decodeGroup, ext4_group_desc} from '../../../ext4/layout/group.ts';
import {viewOf} from '../../support/poke.ts';

/** 64 bytes in which every 16-bit half is its own offset. */
function sampleDescriptor(): DataView {
	const view = viewOf(new Uint8Array(64));
	for (let at = 0; at < 64; at += 2) view.setUint16(at, at, true);
	return view;
}

test('a descriptor of 32 bytes has lower halves only: what follows is the next group', t => {
	const group = decodeGroup(3, sampleDescriptor(), 0, false);
	t.deepEqual(group, {
		index: 3,
		blockBitmap: 0x0002_0000,
		inodeBitmap: 0x0006_0004,
		inodeTable: 0x000a_0008,
		freeClusterCount: 0xc,
		freeInodeCount: 0xe,
		usedDirectoryCount: 0x10,
		unusedInodeCount: 0x1c,
		flags: 0x12,
		blockBitmapChecksum: 0x18,
		inodeBitmapChecksum: 0x1a,
		checksum: 0x1e,
	});
});

test('a descriptor of 64 bytes adds the upper halves', t => {
	const group = decodeGroup(0, sampleDescriptor(), 0, true);
	t.is(group.blockBitmap, 0x0022_0020 * 2 ** 32 + 0x0002_0000);
	t.is(group.inodeBitmap, 0x0026_0024 * 2 ** 32 + 0x0006_0004);
	t.is(group.inodeTable, 0x002a_0028 * 2 ** 32 + 0x000a_0008);
	t.is(group.freeClusterCount, 0x2c_000c);
	t.is(group.freeInodeCount, 0x2e_000e);
	t.is(group.usedDirectoryCount, 0x30_0010);
	t.is(group.unusedInodeCount, 0x32_001c);
	t.is(group.blockBitmapChecksum, 0x38_0018);
	t.is(group.inodeBitmapChecksum, 0x3a_001a);
});

test('the upper halves lie in the second 32 bytes', t => {
	for (const [name, field] of Object.entries(ext4_group_desc.fields)) {
		t.is(field.at >= 32, /_hi$|reserved/.test(name), name);
	}
});
