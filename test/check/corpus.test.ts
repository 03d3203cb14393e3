/**
 * The regression images of e2fsprogs, judged by our checker: the exit status of each image's verdict,
 * and a finding for each kind of problem that e2fsck names, at its place. What differs is listed here,
 * with the reason.
 */
import test from 'ava';
import {isComplete} from '../reference/material.ts';
import {readCorpus} from '../support/corpus.ts';
import {testUnless} from '../support/skip.ts';
import {type CheckEntry, compareEntry, describeDifference} from './corpus.ts';

const damagingJournal =
	'e2fsck -fn objects, as we do, once debugfs has replayed this journal; e2fsck -fy repairs what its own replay leaves';

/** Images whose verdict is another than the manifest's, and why. */
const otherVerdict: {readonly [name: string]: string} = {
	'j_short_trans@1': damagingJournal,
	'j_short_trans_64bit@1': damagingJournal,
	'j_short_trans_old_csum@1': damagingJournal,
	j_recover_csum2_32bit: damagingJournal,
	'j_long_trans_mcsum_32bit@1': damagingJournal,
	f_inlinedir_bad_symlink: 'e2fsck gives up over it; we go on and say what is wrong',
	f_desc_size_bad: 'descriptors of 129 bytes can not be read; e2fsck takes the size from a copy',
};

/** Problems of e2fsck's that we tell in another way, at another place or not at all, and why. */
const notFound: {readonly [name: string]: readonly [problems: readonly string[], reason: string]} =
	{
		f_badtable: [
			[
				...['p2.bb-inode', 'p4.bad-ref-count', 'p5.block-range-unused', 'p5.inode-range-used'],
				'p5.free-dir-count-group',
			],
			'e2fsck takes blocks of the table for bad and loses their inodes; we tell the bad blocks',
		],
		f_desc_size_bad: [['p0.check-desc-failed'], otherVerdict['f_desc_size_bad'] ?? ''],
		f_dup_resize: [
			['p1b.dup-range'],
			'told of the other inode that claims the blocks, at the same place',
		],
		f_ea_inode_self_ref: [
			['p1.unset-extent-fl', 'p1.attr-value-ea-inode', 'p2.ea-inode-dir-link'],
			'an inode that is its own value: the value is not believed, so that nothing refers to it',
		],
		f_jnl_errno: [['p0.resize-inode-invalid'], 'only 1.47.0 objects'],
	};

/** That a tree could be made smaller is no problem, and e2fsck calls it none. */
const isNoProblem = (problem: string) => problem.startsWith('p1e.');

/** Unpacking hundreds of mebibytes of zeros takes its time: those are for the long run. */
const quickSizeBytes = 32 << 20;
const millisecondsMax = 10_000;
const differingShareMax = 0.03;

const corpus = readCorpus() as readonly CheckEntry[] | undefined;
if (corpus === undefined) {
	testUnless('no shared folder: see EXT4BOX_SHARED', 'the corpus of e2fsprogs', () => {});
}

const stale = new Set([...Object.keys(otherVerdict), ...Object.keys(notFound)]);

for (const entry of (corpus ?? []).filter(({size}) => isComplete || size <= quickSizeBytes)) {
	test(`${entry.name} is judged as e2fsck judges it`, t => {
		t.timeout(120_000);
		const comparison = compareEntry(entry);
		const {ours, expected, missing} = comparison;
		const difference = describeDifference(comparison);
		t.is(ours.crash, undefined);
		t.true(ours.milliseconds < millisecondsMax, `${ours.milliseconds} ms`);
		if (otherVerdict[entry.name] === undefined) t.is(ours.verdict, expected, difference);
		const allowed = notFound[entry.name]?.[0] ?? [];
		const left = missing.filter(({problem}) => !isNoProblem(problem) && !allowed.includes(problem));
		if (otherVerdict[entry.name] === undefined) t.deepEqual(left, [], difference);
		if (difference !== undefined) stale.delete(entry.name);
	});
}

test('of at most 3 % of the images the verdict differs, of at most 3 % a problem or its place', t => {
	const max = differingShareMax * (corpus?.length ?? 251);
	t.true(Object.keys(otherVerdict).length <= max);
	t.true(Object.keys(notFound).length <= max);
});

test.after(t => {
	if (isComplete && stale.size > 0) t.log(`differ no more: ${[...stale].join(', ')}`);
});
