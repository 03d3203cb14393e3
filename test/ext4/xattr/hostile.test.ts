/** Attributes are changed on damaged images: with an error that was meant, or with success. */
import fc from 'fast-check';
import {isExpectedError} from '../../../ext4/errors.ts';
import {Volume} from '../../../ext4/volume.ts';
import {freeXattrs, removeXattr, setXattr} from '../../../ext4/xattr/write.ts';
import {makeWritable} from '../../support/home-log.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {WrittenImage} from './written-image.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const files = ['a', 'b', 'c', 'd'];
const names = ['user.a', 'user.bb', 'trusted.long', 'user.held'];

/** An image with attributes in all places, and where on it they lie. */
function prepare(): {bytes: Uint8Array; numbers: number[]; places: (readonly [number, number])[]} {
	const on = new WrittenImage({
		make: ['-t', 'ext4', '-b', '1024', '-O', 'ea_inode,^metadata_csum,^has_journal'],
		size: '4M',
		files,
	});
	for (const file of files) {
		for (const [index, length] of [10, 40, 300, 3000].entries()) {
			on.change(file, (handle, inode) =>
				setXattr(handle, inode, names[index] ?? '', new Uint8Array(length).fill(1), 'any'),
			);
		}
	}
	on.reopen();
	const {volume} = on;
	const numbers = files.map(file => on.number(file));
	const first = volume.locateInode(Math.min(...numbers));
	const places: (readonly [number, number])[] = [
		[first.block.number * 1024 + first.at, 256 * 10], // Files, and inodes that hold values.
		...files.map(file => [on.inode(file).xattrBlock * 1024, 1024] as const),
	];
	return {bytes: on.device.bytes, numbers, places};
}

testUnless(why, 'whatever is damaged, no fault of ours comes to light', t => {
	const {bytes, numbers, places} = prepare();
	const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
	t.log(`seed ${seed}`);
	const damage = fc.record({
		place: fc.nat(places.length - 1),
		at: fc.nat(2559),
		value: fc.nat(255),
	});
	const change = fc.record({
		file: fc.nat(files.length - 1),
		name: fc.nat(names.length - 1),
		length: fc.oneof(fc.constant(-1), fc.constant(-2), fc.nat(3000)),
	});
	const property = fc.property(
		fc.array(damage, {minLength: 1, maxLength: 6}),
		fc.array(change, {minLength: 1, maxLength: 12}),
		(damages, changes) => {
			const damaged = new Uint8Array(bytes);
			for (const {place, at, value} of damages) {
				const [start, length] = places[place] ?? [0, 1];
				damaged[start + (at % length)] = value;
			}
			const volume = Volume.open(new MemoryDevice(damaged));
			volume.random = () => 1;
			makeWritable(volume, undefined, 'continue');
			for (const {file, name, length} of changes) {
				try {
					volume.transact(handle => {
						const inode = volume.readInode(numbers[file] ?? 0);
						const fullName = names[name] ?? '';
						if (length === -2) freeXattrs(handle, inode);
						else if (length === -1) removeXattr(handle, inode, fullName);
						else setXattr(handle, inode, fullName, new Uint8Array(length), 'any');
					});
				} catch (error) {
					if (!isExpectedError(error)) throw error;
				}
			}
		},
	);
	fc.assert(property, {seed, numRuns: Number(process.env['RUNS'] ?? 300)});
	t.pass();
});
