import {BudgetError, CorruptError, DeviceError} from '../../../ext4/index.ts';
import {isOrphan} from '../../../ext4/orphans/orphans.ts';
import {Nodes} from '../../../src/filesystem/nodes.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {Subject} from '../../support/subject.ts';

const why = missing('mke2fs');
const file = {mode: 0o644, uid: 0, gid: 0, umask: 0};
const place = {parent: 2, name: 'file'};

type Noticed = {readonly error: Error; readonly operation: string; readonly inode: number};

function mount(subject: Subject): {nodes: Nodes; noticed: Noticed[]} {
	const noticed: Noticed[] = [];
	const nodes = new Nodes(subject.volume, true, (error, operation, inode) => {
		noticed.push({error, operation, inode});
	});
	return {nodes, noticed};
}

/** A file whose only extent leads into the inode table, so that it can't be freed. */
function damagedFile(): {subject: Subject; number: number} {
	const made = new Subject(mke2fs(['-t', 'ext4', '-b', '1024', '-O', '^metadata_csum'], '8M'));
	const number = made.makeFile(place, file);
	made.write(number, 0, Uint8Array.of(1));
	const {block, at} = made.volume.locateInode(number);
	const startAt = block.number * 1024 + at + 0x28 + 12 + 8;
	const {inodeTable} = made.volume.group(0);
	made.close();
	const {bytes} = made.device;
	new DataView(bytes.buffer, bytes.byteOffset).setUint32(startAt, inodeTable, true);
	return {subject: new Subject(bytes, 'continue'), number};
}

testUnless(why, 'a name is gone though what it named could not be freed', t => {
	const {subject, number} = damagedFile();
	const {nodes, noticed} = mount(subject);
	subject.unlink(place);
	t.notThrows(() => nodes.linksChanged(subject.inode(number)));
	t.is(noticed.length, 1);
	t.true(noticed[0]?.error instanceof CorruptError);
	t.is(noticed[0]?.inode, number);
	t.true(isOrphan(subject.volume, number), 'the next mount or e2fsck finds it');
	t.is(subject.volume.superblock.lastOrphan, number);
	t.is(subject.lookup(place), undefined);
});

for (const [what, failure] of [
	['when the device fails', new DeviceError('gone', 0, 0)],
	['when to free it would cost too much', new BudgetError('too much')],
] as const) {
	testUnless(why, `so when the kernel forgets it, and ${what}`, t => {
		const subject = new Subject(mke2fs(['-t', 'ext4', '-b', '1024'], '8M'));
		const {nodes, noticed} = mount(subject);
		const number = subject.makeFile(place, file);
		nodes.remember(number);
		subject.unlink(place);
		nodes.linksChanged(subject.inode(number));
		t.is(nodes.linklessCount, 1);
		subject.volume.transact = () => {
			throw failure;
		};
		t.notThrows(() => nodes.forget(number, 1));
		t.is(noticed[0]?.error, failure);
	});
}

testUnless(
	why,
	'what is forgotten while frozen is freed when it is thawed, unless it is known again',
	t => {
		const subject = new Subject(mke2fs(['-t', 'ext4', '-b', '1024'], '8M'));
		const {nodes} = mount(subject);
		const number = subject.makeFile(place, file);
		nodes.remember(number);
		subject.unlink(place);
		nodes.linksChanged(subject.inode(number));
		nodes.freeze();
		nodes.forget(number, 1);
		nodes.remember(number);
		nodes.thaw();
		t.true(isOrphan(subject.volume, number), 'somebody may have it open');
		nodes.freeze();
		nodes.forget(number, 1);
		t.true(isOrphan(subject.volume, number), 'it is frozen');
		nodes.thaw();
		t.false(isOrphan(subject.volume, number));
		t.is(nodes.linklessCount, 0);
	},
);

testUnless(why, 'a fault of our own is not passed over', t => {
	const subject = new Subject(mke2fs(['-t', 'ext4', '-b', '1024'], '8M'));
	const {nodes} = mount(subject);
	const number = subject.makeFile(place, file);
	subject.unlink(place);
	subject.volume.transact = () => {
		throw new TypeError('a mistake');
	};
	t.throws(() => nodes.linksChanged(subject.inode(number)), {instanceOf: TypeError});
});
