/**
 * Passes 0 and 1: one test a way to be damaged. debugfs does the damage, and keeps checksums right;
 * e2fsck is asked whether it objects, too.
 */
import * as fs from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {check, runCheckTask} from '../../../ext4/check/check.ts';
import type {FindingCode} from '../../../ext4/check/codes.ts';
import type {Finding} from '../../../ext4/check/finding.ts';
import {checked, damaged} from '../../support/damaged.ts';
import {e2fsprogs, hasDebugfs} from '../../support/e2fsprogs.ts';
import {makeImage} from '../../support/made-image.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {testUnless} from '../../support/skip.ts';

const why = hasDebugfs ? undefined : 'debugfs is not installed';

/** Copies are made with the file system, and their counts stay as they were then. */
const staleCounts: readonly FindingCode[] = ['CHECK_FREE_BLOCKS', 'CHECK_FREE_INODES'];

const ext4 = ['-O', 'metadata_csum'];
const plain = ['-O', '^metadata_csum,^has_journal,encrypt'];
const ext2 = ['-O', '^extent,^metadata_csum,^64bit,^uninit_bg,^has_journal'];

const damages: readonly {
	readonly title: string;
	readonly commands: readonly string[];
	readonly options?: readonly string[];
	readonly code: FindingCode;
}[] = [
	{
		title: 'a size that the blocks do not have',
		commands: ['sif text size 10'],
		code: 'CHECK_INODE_SIZE',
	},
	{
		title: 'a wrong count of blocks',
		commands: ['sif text blocks 77'],
		code: 'CHECK_INODE_BLOCK_COUNT',
	},
	{title: 'a mode of no type', commands: ['sif text mode 0170644'], code: 'CHECK_INODE_MODE'},
	{
		title: 'a time of deletion',
		commands: ['sif text dtime 1'],
		code: 'CHECK_INODE_USED_WITH_DELETION_TIME',
	},
	{title: 'a fragment', commands: ['sif text faddr 5'], code: 'CHECK_INODE_FRAGMENT'},
	{
		title: 'attributes beyond the end',
		commands: ['sif text file_acl 99999999'],
		code: 'CHECK_INODE_XATTR_BLOCK',
	},
	{
		title: 'attributes in a block of data',
		commands: ['sif hello file_acl 700'],
		code: 'CHECK_ATTRIBUTE_BLOCK',
	},
	{
		title: 'an extra size that does not fit',
		commands: ['sif text extra_isize 250'],
		code: 'CHECK_INODE_EXTRA_SIZE',
	},
	{
		title: 'an extent beyond the end',
		commands: ['sif text block[5] 0x7fffffff'],
		code: 'CHECK_EXTENT_BLOCKS',
	},
	{
		title: 'an extent without length',
		commands: ['sif text block[4] 0'],
		code: 'CHECK_EXTENT_EMPTY',
	},
	{
		title: 'a tree without a header',
		commands: ['sif text block[0] 0x12345'],
		code: 'CHECK_EXTENT_HEADER',
	},
	{
		title: 'a tree that was wiped',
		commands: ['sif text block[0] 0'],
		code: 'CHECK_EXTENT_HEADER_MISSING',
	},
	{
		title: 'a symbolic link that is too long',
		commands: ['sif link size 17'],
		code: 'CHECK_SYMLINK',
	},
	{title: 'a pipe with a size', commands: ['sif pipe size 5'], code: 'CHECK_SPECIAL_SIZE'},
	{
		title: 'another number of clusters than of blocks',
		commands: ['ssv clusters_per_group 1234'],
		code: 'CHECK_CLUSTERS_PER_GROUP',
	},
	{
		title: 'flexible groups that are too large',
		commands: ['ssv log_groups_per_flex 40'],
		code: 'CHECK_FLEX_GROUP_SIZE',
	},
	{
		title: 'a journal named without the feature, which is a file like any',
		commands: ['feature -has_journal', 'ssv journal_inum 12'],
		code: 'CHECK_JOURNAL_INODE',
	},
	{
		title: 'a journal that is shorter than its size',
		commands: ['sif <8> size 0x1000000'],
		code: 'CHECK_JOURNAL_INODE',
	},
	{
		title: 'the inode of reserved blocks marked as folding case',
		commands: ['sif <7> flags 0x40000000'],
		code: 'CHECK_CASEFOLD_WITHOUT_DIRECTORY',
	},
	{
		title: 'an encrypted file without a context',
		commands: ['sif text flags 0x80800'],
		code: 'CHECK_ENCRYPTION_CONTEXT_MISSING',
	},
	{
		title: 'a group in use that is marked as never used, where there are no such marks',
		options: ext2,
		commands: ['set_bg 0 flags 1'],
		code: 'CHECK_GROUP_UNINIT_IN_USE',
	},
	{
		title: 'a file within its inode of four tebibytes',
		options: ['-O', 'metadata_csum,inline_data'],
		commands: ['sif hello size 0x40000000006'],
		code: 'CHECK_INODE_SIZE',
	},
	{
		title: 'an entry for the inode that keeps a quota, should quotas be on',
		commands: ['ssv prj_quota_inum 12'],
		code: 'CHECK_ENTRY_INODE_NUMBER',
	},
	{
		title: 'a mark of AFS',
		commands: ['sif text flags 0x82000'],
		code: 'CHECK_AFS_WITHOUT_FEATURE',
	},
	{
		title: 'the inode of reserved blocks with another size',
		commands: ['sif <7> size 0x40000000000'],
		code: 'CHECK_INODE_SIZE',
	},
	{
		title: 'a file with an index',
		commands: ['sif text flags 0x81000'],
		code: 'CHECK_INDEX_WITHOUT_DIRECTORY',
	},
	{
		title: 'a block number beyond the end',
		commands: ['sif text flags 0', 'sif text block[1] 99999999'],
		options: ext2,
		code: 'CHECK_BLOCK_NUMBER',
	},
	{
		title: "a block of the file system's own",
		commands: ['sif text flags 0', 'sif text block[1] 3'],
		options: ext2,
		code: 'CHECK_BLOCKS_CLAIMED_METADATA',
	},
	{
		title: 'a root that is no directory',
		commands: ['sif <2> mode 0100644'],
		code: 'CHECK_ROOT_NOT_DIRECTORY',
	},
	{
		title: 'a reserved inode in use',
		commands: ['sif <9> mode 0100644'],
		code: 'CHECK_RESERVED_INODE_MODE',
	},
	{
		title: 'a journal that is no file',
		commands: ['sif <8> mode 0040644'],
		code: 'CHECK_JOURNAL_INODE',
	},
	{
		title: 'a journal of some bytes more than its blocks',
		commands: ['sif <8> size 0x100004'],
		code: 'CHECK_JOURNAL_INODE',
	},
	{
		title: 'a journal that begins with a hole',
		commands: ['sif <8> block[4] 1'],
		code: 'CHECK_JOURNAL_INODE',
	},
	{
		title: 'attributes of the room for descriptors',
		commands: ['sif <7> file_acl 100'],
		code: 'CHECK_INODE_XATTR_BLOCK',
	},
	{
		title: 'a size of descriptors that can not be, though nothing goes by it',
		commands: ['ssv desc_size 48'],
		options: ext2,
		code: 'CHECK_DESCRIPTOR_SIZE',
	},
	{
		title: 'the room for descriptors lost',
		commands: ['sif <7> block[DIND] 5'],
		code: 'CHECK_RESIZE_INODE',
	},
	{
		title: 'a quota inode that can not be',
		commands: ['feature quota', 'ssv usr_quota_inum 77777'],
		code: 'CHECK_QUOTA_INODE',
	},
];

for (const {title, commands, options, code} of damages) {
	testUnless(why, `the checker tells ${title}, as e2fsck does`, t => {
		const {bytes, exit} = damaged(commands, options ?? ext4);
		const {findings, summary} = checked(bytes);
		t.true(
			findings.some(finding => finding.code === code),
			findings.map(f => f.message).join('\n'),
		);
		t.is(summary.outcome, 'checked');
		t.not(exit, 0, 'e2fsck objects');
	});
}

testUnless(
	why,
	'a file longer than what its inode keeps of it is sound: what is missing reads as zeros',
	t => {
		const commands = ['sif hello size 0x1000'];
		const {bytes, exit} = damaged(commands, ['-O', 'metadata_csum,inline_data']);
		t.deepEqual(checked(bytes).findings, []);
		t.is(exit, 0);
	},
);

testUnless(
	why,
	'a compatible feature that is not known is not for us to check, nor for e2fsck',
	t => {
		const {bytes, exit} = damaged(['ssv feature_compat 0x0100003c'], ext4);
		t.is(checked(bytes).summary.outcome, 'refused');
		t.not((exit ?? 0) & 12, 0);
	},
);

testUnless(why, 'an access control list and a name that reading refuses are told', t => {
	const folder = fs.mkdtempSync(join(tmpdir(), 'ext4box-acl-'));
	t.teardown(() => fs.rmSync(folder, {recursive: true}));
	fs.writeFileSync(join(folder, 'acl'), 'what is no list');
	const commands = [`ea_set -f ${join(folder, 'acl')} text user.q`, 'ea_set empty user.zz value'];
	const {bytes} = damaged(commands, plain, image => {
		for (let at = image.indexOf('q'); at >= 0; at = image.indexOf('q', at + 1)) {
			if (image[at - 16] === 1 && image[at - 15] === 1 && image[at + 1] === 0) {
				image[at - 16] = 0;
				image[at - 15] = 2;
				image[at] = 0; // No name; here the list ends now.
			}
		}
		for (let at = image.indexOf('zz'); at >= 0; at = image.indexOf('zz', at + 1)) {
			if (image[at - 16] === 2 && image[at - 15] === 1) image[at] = 0;
		}
	});
	const codes = checked(bytes).findings.map(({code}) => code);
	t.true(codes.includes('CHECK_ATTRIBUTE_ACL'), codes.join(' '));
	t.true(codes.includes('CHECK_ATTRIBUTE_NAME_NUL'), codes.join(' '));
});

testUnless(why, 'the checker tells who claims the same block', t => {
	const {bytes} = damaged(
		['sif text flags 0', 'sif text block[1] 700', 'sif hello block[0] 700'],
		ext2,
	);
	const {findings} = checked(bytes);
	const claims = findings.filter(({code}) => code === 'CHECK_BLOCKS_CLAIMED_TWICE');
	t.is(claims.length, 2);
	const [first, second] = claims;
	t.is(first?.expected, `inode ${second?.place.inode}`);
	t.is(second?.expected, `inode ${first?.place.inode}`);
});

testUnless(why, 'the checker tells nothing of a sound image, and counts as e2fsck does', t => {
	const {path, remove} = makeImage(ext4);
	t.teardown(remove);
	const {findings, summary} = checked(new Uint8Array(fs.readFileSync(path)));
	t.deepEqual(findings, []);
	const told = e2fsprogs('e2fsck', ['-fn', path]);
	const blocks = /(\d+)\/(\d+) blocks/.exec(told);
	t.is(summary.volume?.usedBlockCount, Number(blocks?.[1]));
	t.is(summary.volume?.blockCount, Number(blocks?.[2]));
});

testUnless(why, 'a superblock that is gone is replaced by its copy', t => {
	const folder = fs.mkdtempSync(join(tmpdir(), 'ext4box-copy-'));
	t.teardown(() => fs.rmSync(folder, {recursive: true}));
	const path = join(folder, 'image');
	e2fsprogs('mke2fs', ['-q', '-t', 'ext4', '-b', '1024', path, '12M']);
	const bytes = new Uint8Array(fs.readFileSync(path));
	bytes.fill(0, 1024, 2048);
	const {findings, summary} = checked(bytes);
	t.is(summary.outcome, 'checked');
	t.deepEqual(
		findings.map(({code}) => code).filter(code => !staleCounts.includes(code)),
		['CHECK_SUPERBLOCK_BAD'],
	);
});

testUnless(
	why,
	'a superblock that is gone with no copy in a usual place leaves nothing to check',
	t => {
		const {bytes} = damaged([], ext4);
		bytes.fill(0, 1024, 2048);
		const {findings, summary} = checked(bytes);
		t.is(summary.outcome, 'unusable');
		t.deepEqual(findings, []);
	},
);

testUnless(why, 'workers find what one thread finds', t => {
	const {bytes} = damaged(
		['sif text size 10', 'sif hello block[5] 0x7fffffff'],
		[...ext4, '-g', '1024'],
	);
	const alone = checked(bytes);
	const shared: Finding[] = [];
	const run = check(new MemoryDevice(bytes, true), {
		jobs: {
			count: 3,
			*run(state, tasks) {
				for (const task of tasks) {
					yield runCheckTask(new MemoryDevice(bytes, true), structuredClone(state), task);
				}
			},
		},
	});
	let next = run.next();
	for (; next.done !== true; next = run.next()) shared.push(next.value);
	t.deepEqual(shared, [...alone.findings]);
	t.deepEqual(next.value.volume, alone.summary.volume);
	t.true(alone.summary.severities.error > 0);
});

function numbers(seed: number): () => number {
	let state = seed;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state;
	};
}

function damageAnywhere(t: ExecutionContext, options: readonly string[]): void {
	const {bytes} = damaged([], options);
	const next = numbers(20_261_121);
	for (let round = 0; round < 60; round++) {
		const hurt = bytes.slice();
		for (let count = 0; count < 40; count++) {
			// The front holds the metadata.
			hurt[next() % (hurt.length >>> (next() % 4))] = next() >>> 24;
		}
		const {summary} = checked(hurt);
		t.true(['checked', 'unusable', 'refused'].includes(summary.outcome));
	}
}

testUnless(why, 'the checker never throws over an extent image, whatever is hurt', t =>
	damageAnywhere(t, ext4),
);
testUnless(why, 'the checker never throws over a block map image, whatever is hurt', t =>
	damageAnywhere(t, ext2),
);

test('what is no file system is unusable, and said to be', t => {
	const {findings, summary} = checked(new Uint8Array(100_000));
	t.deepEqual(findings, []);
	t.is(summary.outcome, 'unusable');
	t.regex(summary.reason ?? '', /no ext2, ext3 or ext4 superblock/);
});

test('too few bytes are unusable', t => {
	t.is(checked(new Uint8Array(10)).summary.outcome, 'unusable');
});
