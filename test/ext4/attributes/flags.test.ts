import type {ExecutionContext} from 'ava';
import test from 'ava';
import {
	assertMayAddName,
	assertMayChange,
	assertMayRemoveName,
	assertMayWrite,
} from '../../../ext4/attributes-binding.ts';
import {setFlags, setFsxattr, setGeneration, shownFlags} from '../../../ext4/attributes-flags.ts';
import {setLabel} from '../../../ext4/label.ts';
import {type Inode, inodeFlags} from '../../../ext4/layout/inode.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {type ImageOptions, WrittenImage} from '../xattr/written-image.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const root = {isPrivileged: true};
const user = {isPrivileged: false};

function add(on: WrittenImage, file: string, flags: number, caller = root): void {
	on.change(file, (handle, inode) => setFlags(handle, inode, shownFlags(inode) | flags, caller));
}

function take(on: WrittenImage, file: string, flags: number, caller = root): void {
	on.change(file, (handle, inode) => setFlags(handle, inode, shownFlags(inode) & ~flags, caller));
}

function has(on: WrittenImage, file: string, flags: number): boolean {
	return (on.inode(file).flags & flags) === flags;
}

testUnless(why, 'flags are set and taken away, and no others change', t => {
	const on = new WrittenImage();
	const before = on.inode('file').flags;
	const flags = inodeFlags.noDump | inodeFlags.noAtime | inodeFlags.synchronous;
	add(on, 'file', flags, user);
	on.reopen();
	t.is(on.inode('file').flags, before | flags);
	take(on, 'file', inodeFlags.noAtime, user);
	t.is(on.inode('file').flags, (before | flags) & ~inodeFlags.noAtime);
	t.is(on.check(), undefined);
});

testUnless(why, 'what is shown and not to be set is passed over', t => {
	const on = new WrittenImage();
	const before = on.inode('folder').flags;
	on.change('folder', (handle, inode) =>
		setFlags(handle, inode, inodeFlags.extents | inodeFlags.hashIndexed | inodeFlags.verity, root),
	);
	t.is(on.inode('folder').flags, before);
});

testUnless(why, 'immutable and append-only are for the privileged', t => {
	const on = new WrittenImage();
	for (const flag of [inodeFlags.immutable, inodeFlags.appendOnly]) {
		t.throws(() => add(on, 'file', flag, user), {code: 'EPERM'});
		add(on, 'file', flag);
		t.throws(() => take(on, 'file', flag, user), {code: 'EPERM'});
		t.true(has(on, 'file', flag));
		take(on, 'file', flag);
	}
	t.is(on.check(), undefined);
});

testUnless(why, 'what stays immutable changes in nothing else', t => {
	const on = new WrittenImage();
	add(on, 'file', inodeFlags.immutable);
	t.throws(() => add(on, 'file', inodeFlags.noDump), {code: 'EPERM'});
	t.notThrows(() => add(on, 'file', 0));
	on.change('file', (handle, inode) =>
		setFlags(handle, inode, (shownFlags(inode) & ~inodeFlags.immutable) | inodeFlags.noDump, root),
	);
	t.true(has(on, 'file', inodeFlags.noDump));
	t.is(on.check(), undefined);
});

const refused: readonly (readonly [string, string, (inode: Inode) => number, string])[] = [
	['a flag that is not', 'file', ({flags}) => flags | 0x100_0000, 'EOPNOTSUPP'],
	['journal data', 'file', ({flags}) => flags | inodeFlags.journalData, 'EOPNOTSUPP'],
	['no extents', 'file', ({flags}) => flags & ~inodeFlags.extents, 'EOPNOTSUPP'],
	['dirsync on a file', 'file', ({flags}) => flags | inodeFlags.directorySync, 'EOPNOTSUPP'],
	[
		'casefold without the feature',
		'folder',
		({flags}) => flags | inodeFlags.casefold,
		'EOPNOTSUPP',
	],
];

for (const [title, file, flags, code] of refused) {
	testUnless(why, `${code} for ${title}`, t => {
		const on = new WrittenImage();
		const set = () =>
			on.change(file, (handle, inode) => setFlags(handle, inode, flags(inode), root));
		t.throws(set, {code});
		t.is(on.check(), undefined);
	});
}

testUnless(why, 'only empty directories begin to fold names', t => {
	const on = new WrittenImage({make: ['-t', 'ext4', '-O', 'casefold']});
	t.throws(() => add(on, '/', inodeFlags.casefold), {code: 'ENOTEMPTY'});
	t.throws(() => add(on, 'file', inodeFlags.casefold), {code: 'EOPNOTSUPP'});
	add(on, 'folder', inodeFlags.casefold);
	t.true(has(on, 'folder', inodeFlags.casefold));
	t.is(on.check(), undefined);
	const again = new WrittenImage({make: ['-t', 'ext4', '-O', 'casefold']});
	add(again, 'folder', inodeFlags.casefold);
	take(again, 'folder', inodeFlags.casefold);
	t.is(again.check(), undefined);
});

const projects: ImageOptions = {
	make: ['-t', 'ext4', '-I', '256', '-O', 'quota,project', '-E', 'quotatype=prjquota'],
};

testUnless(why, 'a project is set, and its quota kept true', t => {
	const on = new WrittenImage(projects);
	const set = (file: string, flags: number, projectId: number) =>
		on.change(file, (handle, inode) => setFsxattr(handle, inode, flags, projectId, user));
	set('file', inodeFlags.noDump, 42);
	set('folder', inodeFlags.projectInherit, 42);
	on.reopen();
	t.is(on.inode('file').projectId, 42);
	t.true(has(on, 'file', inodeFlags.noDump));
	t.true(has(on, 'folder', inodeFlags.projectInherit));
	set('file', 0, 43);
	t.false(has(on, 'file', inodeFlags.noDump));
	t.is(on.check(), undefined);
});

testUnless(why, 'where there are no projects there is none to set', t => {
	const on = new WrittenImage();
	const set = (projectId: number) =>
		on.change('file', (handle, inode) => setFsxattr(handle, inode, 0, projectId, user));
	t.throws(() => set(42), {code: 'EOPNOTSUPP'});
	t.notThrows(() => set(0));
});

testUnless(why, 'a generation is set where no checksum depends on it', t => {
	const set = (on: WrittenImage) =>
		on.change('file', (handle, inode) => setGeneration(handle, inode, 77));
	const without = new WrittenImage({make: ['-t', 'ext4', '-O', '^metadata_csum']});
	set(without);
	without.reopen();
	t.is(without.inode('file').generation, 77);
	t.is(without.check(), undefined);
	t.throws(() => set(new WrittenImage({make: ['-t', 'ext4', '-O', 'metadata_csum']})), {
		code: 'ENOTTY',
	});
});

function labelOf(on: WrittenImage): string {
	return Buffer.from(on.volume.superblock.label).toString();
}

function setTo(on: WrittenImage, label: string, caller = root): void {
	on.volume.transact(handle => setLabel(handle, Buffer.from(`${label}\0rest`), caller));
}

for (const features of ['metadata_csum', '^metadata_csum']) {
	testUnless(why, `the label is set in the superblock's copies, too: ${features}`, t => {
		const on = new WrittenImage({
			make: ['-t', 'ext4', '-b', '1024', '-g', '1024', '-O', features, '-L', 'before'],
		});
		const damaged = 5 * 1024 + 1;
		on.device.bytes[damaged * 1024 + 0x38] = 0;
		setTo(on, 'after');
		on.volume.transactions?.checkpoint();
		const labels = [1, 3, 5, 7].map(group => {
			const at = (group * 1024 + 1) * 1024 + 0x78;
			return Buffer.from(on.device.bytes.subarray(at, at + 7)).toString();
		});
		t.deepEqual(labels, ['after\0\0', 'after\0\0', 'before\0', 'after\0\0']);
		on.device.bytes[damaged * 1024 + 0x38] = 0x53;
		t.is(on.check(), undefined);
	});
}

testUnless(why, 'times that flags change are rounded to what the inode holds', t => {
	const on = new WrittenImage({make: ['-t', 'ext4', '-I', '128', '-O', '^metadata_csum']});
	add(on, 'file', inodeFlags.noDump);
	t.is(on.inode('file').changeTime.nanoseconds, 0);
	on.change('file', (handle, inode) => setGeneration(handle, inode, 5));
	t.is(on.inode('file').changeTime.nanoseconds, 0);
});

testUnless(why, 'the label is set, and 16 bytes are the most', t => {
	const on = new WrittenImage();
	setTo(on, 'sixteen bytes ok');
	on.reopen();
	t.is(labelOf(on), 'sixteen bytes ok');
	t.throws(() => setTo(on, 'seventeen bytes !'), {code: 'EINVAL'});
	t.throws(() => setTo(on, 'x', user), {code: 'EPERM'});
	t.throws(() =>
		on.volume.transact(handle => {
			setLabel(handle, Buffer.from('other'), root);
			throw new Error('stop');
		}),
	);
	t.is(labelOf(on), 'sixteen bytes ok');
	on.reopen();
	t.is(labelOf(on), 'sixteen bytes ok');
	setTo(on, '');
	t.is(labelOf(on), '');
	t.is(on.check(), undefined);
});

function forbids(t: ExecutionContext, action: () => void): void {
	t.throws(action, {code: 'EPERM'});
}

const withFlags = (flags: number) => ({flags, sizeBytes: 100}) as Inode;

test('what the flags forbid', t => {
	const free = withFlags(0);
	const fixed = withFlags(inodeFlags.immutable);
	const growing = withFlags(inodeFlags.appendOnly);
	for (const inode of [fixed, growing]) forbids(t, () => assertMayChange(inode));
	forbids(t, () => assertMayWrite(fixed, 100));
	forbids(t, () => assertMayWrite(growing, 99));
	t.notThrows(() => assertMayWrite(growing, 100));
	forbids(t, () => assertMayAddName(fixed));
	t.notThrows(() => assertMayAddName(growing));
	for (const [directory, target] of [
		[fixed, free],
		[growing, free],
		[free, fixed],
		[free, growing],
	] as const) {
		forbids(t, () => assertMayRemoveName(directory, target));
	}
	t.notThrows(() => assertMayRemoveName(free, free));
});
