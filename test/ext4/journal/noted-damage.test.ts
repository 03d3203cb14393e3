import {CorruptError, FileError} from '../../../ext4/errors.ts';
import {ext4_super_block} from '../../../ext4/layout/superblock.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {findProblems, Subject} from '../../support/subject.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const file = {mode: 0o644, uid: 0, gid: 0, umask: 0};

testUnless(why, 'damage is counted once, however often it is told on its way up', t => {
	const subject = new Subject(mke2fs(['-t', 'ext4', '-b', '1024'], '8M'), 'continue');
	const {transactions} = subject.volume;
	const first = new CorruptError('EXT4_BAD_INODE', 'first');
	const second = new CorruptError('EXT4_BAD_EXTENT', 'second');
	const fail = (error: CorruptError) => () =>
		subject.volume.transact(() => {
			throw error;
		});
	t.is(t.throws(fail(first)), first);
	t.is(t.throws(fail(second)), second);
	transactions?.noteCorruption(second);
	transactions?.noteCorruption(first);
	t.is(ext4_super_block.at(subject.volume.superblock.view, 0).s_error_count, 2);
	t.true(transactions?.isWritable);
});

testUnless(
	why,
	'the line of the source that the kernel met its last error in is not left to ours',
	t => {
		const subject = new Subject(mke2fs(['-t', 'ext4', '-b', '1024'], '8M'), 'continue');
		const {superblock, transactions} = subject.volume;
		const raw = ext4_super_block.edit(superblock.view, 0);
		Object.assign(raw, {s_error_count: 1, s_first_error_line: 5, s_last_error_line: 77});
		transactions?.noteCorruption(new CorruptError('EXT4_BAD_INODE', 'ours'));
		t.is(raw.s_first_error_line, 5);
		t.is(raw.s_last_error_line, 0);
	},
);

testUnless(why, 'a file that would take 2 TiB is too large without huge_file', t => {
	const subject = new Subject(mke2fs(['-t', 'ext4', '-O', '^huge_file', '-b', '1024'], '8M'));
	const {volume} = subject;
	const number = subject.makeFile({parent: 2, name: 'file'}, file);
	const grow = (sectors: number) => () =>
		volume.transact(handle => {
			handle.edit(volume.readInode(number)).sectors = sectors;
		});
	const error = t.throws(grow(2 ** 32), {instanceOf: FileError});
	t.is(error?.code, 'EFBIG');
	t.is(subject.inode(number).sectors, 0);
	t.notThrows(grow(2 ** 32 - 2));
	grow(0)();
	subject.close();
	t.is(findProblems(subject), undefined);
});
