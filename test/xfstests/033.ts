import {closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, statSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title:
		'The last byte that an extent tree or a block map reaches can be written, the next can not',
	groups: ['auto', 'quick', 'rw'],
	run(t) {
		const formats = {
			'extents, blocks of 4096': ['-t', 'ext4', '-b', '4096'],
			'extents, blocks of 1024': ['-t', 'ext4', '-b', '1024'],
			'block map, blocks of 4096': ['-t', 'ext3', '-b', '4096'],
			'block map, blocks of 1024': ['-t', 'ext2', '-b', '1024'],
		};
		for (const [index, [label, mkfs]] of Object.entries(formats).entries()) {
			const place = t.another(`place-${index}`, {mkfs, size: '24M'});
			const file = openSync(`${place.dir}/file`, 'w+');
			const byte = Buffer.of(0x5a);
			// Bisected: a file may be this long, and not so long.
			let [can, not] = [0, 2 ** 52];
			while (not - can > 1) {
				const middle = can + Math.floor((not - can) / 2);
				if (t.codeOf(() => ftruncateSync(file, middle)) === undefined) can = middle;
				else not = middle;
			}
			ftruncateSync(file, 0);
			t.print(`${label}: up to ${can} bytes`);
			t.attempt('one byte longer', () => ftruncateSync(file, can + 1));
			t.attempt('the last byte', () => calls.pwrite(file, byte, can - 1));
			t.print(`size ${fstatSync(file).size}`);
			t.attempt('allocated behind', () => calls.fallocate(file, 0, can - 10, 20) ?? 'it was');
			closeSync(file);
			// FUSE knows of no limit: what it takes into its cache is refused when it is to be kept.
			for (const at of [BigInt(can), 2n ** 62n]) {
				const code = t.codeOf(() => {
					const behind = openSync(`${place.dir}/file`, 'r+');
					try {
						calls.pwrite(behind, byte, at);
						fsyncSync(behind);
					} finally {
						closeSync(behind);
					}
				});
				t.print(`kept at ${at}: ${code === undefined}`);
			}
			place.remount();
			t.print(`size ${statSync(`${place.dir}/file`).size}`);
			const again = openSync(`${place.dir}/file`, 'r+');
			const last = Buffer.alloc(20, 9);
			t.print(`read: ${calls.pread(again, last, can - 3)}, ${last.subarray(0, 3).join(' ')}`);
			t.print(`far from it: ${calls.pread(again, last, can / 2)}, ${last[0]}`);
			ftruncateSync(again, 5);
			t.print(`cut: ${fstatSync(again).size} bytes`);
			closeSync(again);
			place.unmount();
		}
	},
});
