import fc from 'fast-check';
import {FileError} from '../../../ext4/errors.ts';
import type {Handle} from '../../../ext4/journal/handle.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {v2r1_disk_dqblk} from '../../../ext4/layout/quota.ts';
import {mapAt} from '../../../ext4/mapping/index.ts';
import {chargeInode, chargeSpace, transferQuota} from '../../../ext4/quota/charge.ts';
import {ownerOf, type QuotaType, quotaFiles} from '../../../ext4/quota/file.ts';
import {findOrInsert} from '../../../ext4/quota/insert.ts';
import {withinProject} from '../../../ext4/quota/statistics.ts';
import {statisticsOf} from '../../../ext4/statistics.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {giveSpace, makeFile, makeFolder, remove} from '../../support/made-files.ts';
import {type MadeVolume, mke2fs, openMade} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck') ?? missing('debugfs');
const rootNumber = 2;
const allTypes = ['-E', 'quotatype=usrquota:grpquota:prjquota'];

const layouts = [
	{name: '1 KiB', options: ['-b', '1024', '-O', 'quota,project', ...allTypes], size: '12M'},
	{name: '4 KiB', options: ['-b', '4096', '-O', 'quota,project', ...allTypes], size: '40M'},
	{name: '64 KiB', options: ['-b', '65536', '-O', 'quota,project', ...allTypes], size: '64M'},
	{
		name: 'bigalloc',
		options: ['-b', '1024', '-C', '8192', '-O', 'bigalloc,quota,project', ...allTypes],
		size: '60M',
	},
	{
		name: 'no extents',
		options: ['-b', '1024', '-O', '^extent,^64bit,quota,project', ...allTypes],
		size: '12M',
	},
	{
		name: 'users alone',
		options: ['-b', '1024', '-O', 'quota', '-E', 'quotatype=usrquota'],
		size: '12M',
	},
	{
		name: 'orphan file',
		options: ['-b', '1024', '-O', 'quota,project,orphan_file', ...allTypes],
		size: '12M',
	},
] as const;

function open(layout: (typeof layouts)[number] = layouts[0]): MadeVolume {
	return openMade(mke2fs(['-t', 'ext4', ...layout.options], layout.size));
}

type Counted = {readonly space: number; readonly inodes: number};

/** What debugfs finds in a quota file: usage by id, without those that use nothing. */
function listed(made: MadeVolume, type: QuotaType): Map<number, Counted> {
	const usage = new Map<number, Counted>();
	for (const line of made.ask('debugfs', ['-R', `lq ${type}`]).split('\n')) {
		const [id, space, , , inodes] = line.trim().split(/\s+/).map(Number);
		if (id === undefined || !(Number(space) > 0 || Number(inodes) > 0)) continue;
		usage.set(id, {space: Number(space), inodes: Number(inodes)});
	}
	return usage;
}

type Step =
	| {
			readonly kind: 'file' | 'folder';
			readonly uid: number;
			readonly gid: number;
			readonly blocks: number;
	  }
	| {readonly kind: 'remove'; readonly which: number}
	| {readonly kind: 'chown'; readonly which: number; readonly uid: number; readonly project: number}
	| {readonly kind: 'fail'; readonly uid: number}
	| {readonly kind: 'commit'};

/** Few, so that they meet; and some whose bits differ at every level of the tree. */
const ids = fc.oneof(
	fc.constantFrom(0, 1, 2, 255, 256, 65_535, 65_536, 1_000_000, 2 ** 31, 2 ** 32 - 2),
	fc.integer({min: 1000, max: 1040}),
);

const steps: fc.Arbitrary<Step[]> = fc.array(
	fc.oneof(
		{
			weight: 6,
			arbitrary: fc.record({
				kind: fc.constantFrom('file' as const, 'file' as const, 'folder' as const),
				uid: ids,
				gid: ids,
				blocks: fc.integer({min: 0, max: 20}),
			}),
		},
		{weight: 2, arbitrary: fc.record({kind: fc.constant('remove' as const), which: fc.nat()})},
		{
			weight: 3,
			arbitrary: fc.record({
				kind: fc.constant('chown' as const),
				which: fc.nat(),
				uid: ids,
				project: ids,
			}),
		},
		{weight: 1, arbitrary: fc.record({kind: fc.constant('fail' as const), uid: ids})},
		{weight: 1, arbitrary: fc.constant({kind: 'commit' as const})},
	),
	{minLength: 20, maxLength: 120},
);

type Made = {readonly name: string; readonly number: number};

function chown(handle: Handle, number: number, uid: number, projectId: number): void {
	const inode = handle.edit(handle.volume.readInode(number));
	const owners = {uid, ...(handle.volume.features.has('project') ? {projectId} : {})};
	transferQuota(handle, inode, owners);
	Object.assign(inode, owners);
}

/** Runs the steps; returns the numbers of all inodes that count. */
function runSteps(volume: Volume, list: readonly Step[]): number[] {
	const files: Made[] = [];
	for (const [index, step] of list.entries()) {
		const name = `entry ${index}`;
		const which = 'which' in step ? step.which % Math.max(1, files.length) : 0;
		const chosen = files[which];
		if (step.kind === 'commit') volume.transactions?.commit();
		else if (step.kind === 'fail') {
			try {
				volume.transact(handle => {
					giveSpace(handle, makeFile(handle, rootNumber, name, {uid: step.uid, gid: 0}), 0, 9);
					throw new FileError('EPERM', 'on purpose');
				});
			} catch (error) {
				if (!(error instanceof FileError && error.code === 'EPERM')) throw error;
			}
		} else if (step.kind === 'file' || step.kind === 'folder') {
			const make = step.kind === 'file' ? makeFile : makeFolder;
			const number = volume.transact(handle => {
				const inode = make(handle, rootNumber, name, {uid: step.uid, gid: step.gid});
				if (step.kind === 'file') giveSpace(handle, inode, 0, step.blocks);
				return inode.number;
			});
			files.push({name, number});
		} else if (chosen !== undefined && step.kind === 'remove') {
			files.splice(which, 1);
			volume.transact(handle =>
				remove(handle, rootNumber, chosen.name, volume.readInode(chosen.number)),
			);
		} else if (chosen !== undefined && step.kind === 'chown') {
			volume.transact(handle => chown(handle, chosen.number, step.uid, step.project));
		}
	}
	const lostAndFound = 11;
	return [rootNumber, lostAndFound, ...files.map(({number}) => number)];
}

function expectedUsage(volume: Volume, numbers: readonly number[], type: QuotaType) {
	const usage = new Map<number, Counted>();
	for (const number of numbers) {
		const inode = volume.readInode(number);
		const id = ownerOf(inode, type);
		const {space, inodes} = usage.get(id) ?? {space: 0, inodes: 0};
		usage.set(id, {space: space + inode.sectors * 512, inodes: inodes + 1});
	}
	return usage;
}

function sorted(usage: Map<number, Counted>) {
	return [...usage].sort(([a], [b]) => a - b);
}

for (const layout of layouts) {
	testUnless(why, `${layout.name}: quota files count what inodes do, and e2fsck agrees`, t => {
		const image = mke2fs(['-t', 'ext4', ...layout.options], layout.size);
		fc.assert(
			fc.property(steps, list => {
				const made = openMade(image.slice());
				const {volume} = made;
				const numbers = runSteps(volume, list);
				for (const {type} of quotaFiles(volume)) {
					const expected = expectedUsage(volume, numbers, type);
					t.deepEqual(sorted(listed(made, type)), sorted(expected), type);
				}
				t.is(made.findProblems(), undefined);
			}),
			{numRuns: 4, endOnFailure: true},
		);
	});
}

testUnless(why, 'a quota file grows for as many owners as there are', t => {
	const made = open(layouts[1]);
	const {volume} = made;
	const before = quotaFiles(volume)[0]?.inode.sizeBytes ?? 0;
	for (let index = 0; index < 400; index++) {
		const uid = (index * 10_007) % 4_000_000;
		volume.transact(handle => makeFile(handle, rootNumber, `file ${index}`, {uid, gid: index}));
	}
	t.true((quotaFiles(volume)[0]?.inode.sizeBytes ?? 0) > before + 100_000);
	t.is(listed(made, 'user').size, 400);
	t.is(made.findProblems(), undefined);
});

testUnless(why, 'an image without quotas is charged for nothing', t => {
	const {volume} = openMade(mke2fs(['-t', 'ext4', '-b', '1024'], '12M'));
	t.deepEqual(quotaFiles(volume), []);
	volume.transact(handle => {
		const root = volume.readInode(rootNumber);
		chargeSpace(handle, root, 2 ** 40);
		chargeInode(handle, root, 1);
		transferQuota(handle, root, {uid: 5});
		t.is(handle.touchedBlocks, 0);
	});
});

const user = {uid: 1000, gid: 100};

type Limits = Partial<
	Record<'dqb_bhardlimit' | 'dqb_bsoftlimit' | 'dqb_ihardlimit' | 'dqb_isoftlimit', number>
>;

function entryOf(volume: Volume, id = user.uid, of: QuotaType = 'user') {
	return volume.transact(handle => {
		const file = quotaFiles(volume).find(({type}) => type === of);
		if (file === undefined) throw new Error(`no quota of the kind ${of}`);
		const place = findOrInsert(handle, file, id);
		handle.touch(place.block);
		return v2r1_disk_dqblk.edit(place.block.view, place.at);
	});
}

/** A file of `user` on a volume where the user has limits. */
function limited(limits: Limits) {
	const made = open();
	const {volume} = made;
	Object.assign(entryOf(volume), limits);
	const number = volume.transact(handle => makeFile(handle, rootNumber, 'file', user).number);
	const grow = (from: number, to: number, options = {}) =>
		volume.transact(
			handle => giveSpace(handle, handle.edit(volume.readInode(number)), from, to),
			options,
		);
	return {made, volume, number, grow};
}

testUnless(why, 'a hard limit of space is reached and not passed', t => {
	const {made, volume, grow} = limited({dqb_bhardlimit: 10});
	grow(0, 10);
	t.throws(() => grow(10, 11), {code: 'EDQUOT'});
	t.is(entryOf(volume).dqb_curspace, 10 * 1024);
	grow(10, 30, {mayUseReserved: true});
	t.is(entryOf(volume).dqb_curspace, 30 * 1024);
	t.is(made.findProblems(), undefined);
});

testUnless(why, 'an operation that does not fit leaves nothing of it', t => {
	const {made, volume, number, grow} = limited({dqb_bhardlimit: 10});
	grow(0, 4);
	const freeBefore = volume.superblock.freeBlockCount;
	t.throws(() => grow(4, 11), {code: 'EDQUOT'});
	t.is(volume.superblock.freeBlockCount, freeBefore);
	t.is(volume.readInode(number).sectors, 8);
	t.is(mapAt(volume, volume.readInode(number), 4).kind, 'hole');
	t.is(made.findProblems(), undefined);
});

testUnless(why, 'a soft limit may be passed until its time is over', t => {
	const {made, volume, number, grow} = limited({dqb_bsoftlimit: 10});
	grow(0, 12);
	const entry = entryOf(volume);
	const now = 1_700_000_000;
	t.is(entry.dqb_btime, now + 604_800);
	grow(12, 13);
	entry.dqb_btime = now;
	t.throws(() => grow(13, 14), {code: 'EDQUOT'});
	volume.transact(handle => remove(handle, rootNumber, 'file', volume.readInode(number)));
	t.is(entryOf(volume).dqb_btime, 0);
	t.is(made.findProblems(), undefined);
});

testUnless(why, 'a limit of inodes is reached and not passed', t => {
	const {made, volume} = limited({dqb_ihardlimit: 3, dqb_isoftlimit: 2});
	const make = (name: string) =>
		volume.transact(handle => makeFile(handle, rootNumber, name, user));
	make('second');
	t.is(entryOf(volume).dqb_itime, 0);
	make('third');
	t.is(entryOf(volume).dqb_itime, 1_700_000_000 + 604_800);
	t.throws(() => make('fourth'), {code: 'EDQUOT'});
	t.is(entryOf(volume).dqb_curinodes, 3);
	t.is(made.findProblems(), undefined);
});

testUnless(why, 'a directory that hands on its project is as large as the limits of that', t => {
	const {made, volume, number, grow} = limited({});
	const project = 42;
	const folder = volume.transact(handle => {
		const inode = makeFolder(handle, rootNumber, 'folder', user);
		chown(handle, inode.number, user.uid, project);
		inode.flags |= inodeFlags.projectInherit;
		chown(handle, number, user.uid, project);
		return inode.number;
	});
	grow(0, 7);
	const whole = statisticsOf(volume);
	const shown = (of = folder) => withinProject(volume, volume.readInode(of), whole);
	t.deepEqual(shown(), whole);
	const limits = {dqb_bhardlimit: 40, dqb_bsoftlimit: 20, dqb_ihardlimit: 10};
	Object.assign(entryOf(volume, project, 'project'), limits);
	t.deepEqual(shown(), {
		...whole,
		blockCount: 20,
		freeBlockCount: 12, // A block is the folder's own.
		availableBlockCount: 12,
		inodeCount: 10,
		freeInodeCount: 8,
	});
	t.deepEqual(shown(rootNumber), whole);
	t.deepEqual(shown(number), whole);
	grow(7, 30);
	t.is(shown().freeBlockCount, 0);
	const huge = {dqb_bhardlimit: 2 ** 40, dqb_bsoftlimit: 0, dqb_ihardlimit: 2 ** 40};
	Object.assign(entryOf(volume, project, 'project'), huge);
	t.deepEqual(shown(), whole);
	t.is(made.findProblems(), undefined);
});

testUnless(why, 'who is given a file must have room for it', t => {
	const {made, volume, number, grow} = limited({});
	grow(0, 20);
	entryOf(volume, 7).dqb_bhardlimit = 19;
	t.throws(() => volume.transact(handle => chown(handle, number, 7, 0)), {code: 'EDQUOT'});
	t.is(entryOf(volume, 7).dqb_curspace, 0);
	t.is(entryOf(volume).dqb_curspace, 20 * 1024);
	entryOf(volume, 7).dqb_bhardlimit = 20;
	volume.transact(handle => chown(handle, number, 7, 0));
	t.is(entryOf(volume, 7).dqb_curspace, 20 * 1024);
	t.is(made.findProblems(), undefined);
});

/** Changes the user's quota file on the device; its first six blocks are where mke2fs puts them. */
function damaged(change: (view: DataView, at: (quotaBlock: number) => number) => void): Volume {
	const image = mke2fs(['-t', 'ext4', ...layouts[0].options], layouts[0].size);
	const sound = openMade(image.slice()).volume;
	const inode = sound.readReservedInode(sound.superblock.quotaInodes.user);
	change(new DataView(image.buffer, image.byteOffset), quotaBlock => {
		const run = mapAt(sound, inode, quotaBlock);
		if (run.kind !== 'mapped') throw new Error('a hole');
		return (run.physical + quotaBlock - run.logical) * 1024;
	});
	return openMade(image).volume;
}

const damages: readonly {
	readonly what: string;
	readonly change: (view: DataView, at: (quotaBlock: number) => number) => void;
}[] = [
	{what: 'a wrong magic number', change: (view, at) => view.setUint32(at(0), 0xd9c01927, true)},
	{what: 'an unknown version', change: (view, at) => view.setUint32(at(0) + 4, 7, true)},
	{what: 'a reference beyond the file', change: (view, at) => view.setUint32(at(1), 6, true)},
	{what: 'a reference to itself', change: (view, at) => view.setUint32(at(1), 1, true)},
	{what: 'a huge reference', change: (view, at) => view.setUint32(at(1), 0xffff_ffff, true)},
	{
		what: 'a list of free entries that leads beyond the file',
		change: (view, at) => view.setUint32(at(0) + 0x1c, 4000, true),
	},
	{
		what: 'a list of free entries that leads to the header',
		change: (view, at) => view.setUint32(at(0) + 0x1c, 1, true),
	},
	{
		what: 'a list of free blocks that leads beyond the file',
		change: (view, at) => {
			view.setUint32(at(0) + 0x18, 4000, true);
			view.setUint32(at(0) + 0x1c, 0, true);
		},
	},
	{
		what: 'a block that is listed as having room, and is full',
		change: (view, at) => {
			for (let offset = 16; offset < 1024; offset += 4) view.setUint32(at(5) + offset, 77, true);
		},
	},
];

for (const {what, change} of damages) {
	testUnless(why, `${what} in a quota file is found out`, t => {
		const volume = damaged(change);
		corruptBy('EXT4_BAD_QUOTA', () =>
			volume.transact(handle => makeFile(handle, rootNumber, 'file', {uid: 300, gid: 0})),
		);
		t.true(volume.superblock.hasErrors);
	});
}

testUnless(why, 'an owner whose entry is missing gets one when a file takes space', t => {
	const made = open();
	const {volume} = made;
	const number = volume.transact(handle => {
		return makeFile(handle, rootNumber, 'file', {uid: 4000, gid: 0}).number;
	});
	// As if quotas had been turned on without a count of what was there.
	volume.transact(handle => {
		const inode = handle.edit(volume.readInode(number));
		inode.uid = 70_000;
	});
	volume.transact(handle => giveSpace(handle, handle.edit(volume.readInode(number)), 0, 8));
	t.is(volume.superblock.hasErrors, false);
	t.deepEqual(listed(made, 'user').get(70_000), {space: 8 * 1024, inodes: 0});
});

testUnless(why, 'so is a quota file that lies in other metadata', t => {
	const features = '^metadata_csum,^extent,^64bit,quota';
	const image = mke2fs(['-t', 'ext4', '-b', '1024', '-O', features], '12M');
	const sound = openMade(image.slice()).volume;
	const {block, at} = sound.locateInode(sound.superblock.quotaInodes.user);
	const view = new DataView(image.buffer, image.byteOffset);
	const secondDirectBlock = block.number * 1024 + at + 0x28 + 4;
	view.setUint32(secondDirectBlock, sound.group(0).inodeBitmap, true);
	const {volume} = openMade(image);
	corruptBy('EXT4_BAD_QUOTA', () =>
		volume.transact(handle => makeFile(handle, rootNumber, 'file', user)),
	);
	t.pass();
});
