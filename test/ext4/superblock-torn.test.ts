import test from 'ava';
import * as fc from 'fast-check';
import {crc32cFiller, crc32cOf} from '../../ext4/checksum.ts';
import {closeVolume, openForWriting, Volume} from '../../ext4/index.ts';
import {CrashDevice} from '../support/crash-device.ts';
import {hasDebugfs} from '../support/e2fsprogs.ts';
import {mke2fs} from '../support/made-volume.ts';
import {testUnless} from '../support/skip.ts';

test('four bytes anywhere lead to any sum', t => {
	fc.assert(
		fc.property(
			fc.uint8Array({minLength: 4, maxLength: 200}),
			fc.nat(),
			fc.integer({min: 0, max: 2 ** 32 - 1}),
			(bytes, place, sum) => {
				const at = place % (bytes.length - 3);
				const filler = crc32cFiller(0xffff_ffff, bytes, at, sum);
				new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, filler, true);
				t.is(crc32cOf(0xffff_ffff, bytes), sum);
			},
		),
	);
});

testUnless(
	hasDebugfs ? null : 'no e2fsprogs',
	'a superblock of which only one sector arrived can be opened',
	t => {
		const device = new CrashDevice(mke2fs(['-t', 'ext4', '-b', '1024', '-J', 'size=1'], '6M'));
		let seconds = 1_700_000_000;
		const options = {clock: () => ({seconds: seconds++, nanoseconds: 0}), randomUint32: () => 1};
		for (let mount = 0; mount < 3; mount++) {
			const volume = openForWriting(device, options);
			volume.transact(handle => {
				handle.edit(volume.readInode(2)).modificationTime = handle.now;
				handle.addFeature('large_file');
			});
			closeVolume(volume);
		}
		let torn = 0;
		const before = device.base.slice();
		for (const event of device.events) {
			if (event.kind !== 'write') continue;
			const {position, bytes} = event;
			if (position <= 1024 && position + bytes.length >= 2048) {
				const sectors = bytes.subarray(1024 - position);
				for (const [from, to] of [
					[0, 512],
					[512, 1024],
				] as const) {
					const image = before.slice();
					image.set(sectors.subarray(from, to), 1024 + from);
					t.notThrows(() => Volume.open(new CrashDevice(image)));
					torn++;
				}
			}
			before.set(bytes, position);
		}
		t.true(torn >= 12, `${torn}`);
	},
);
