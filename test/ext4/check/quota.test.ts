/** Quota files against what is in use: one test a way to be damaged, held against e2fsck. */
import type {FindingCode} from '../../../ext4/check/codes.ts';
import {
	qt_disk_dqdbheader,
	quotaBlockSize,
	quotaMagic,
	quotaRootBlock,
	quotaTreeDepth,
	quotaVersion,
	v2_disk_dqheader,
	v2r1_disk_dqblk,
} from '../../../ext4/layout/quota.ts';
import {hasE2fsck} from '../../check/e2fsck.ts';
import {judge} from '../../support/judged.ts';
import {testUnless} from '../../support/skip.ts';

const why = hasE2fsck ? undefined : 'e2fsck is not installed';
const options = [
	...['-O', 'quota,project,^metadata_csum'],
	...['-E', 'quotatype=usrquota:grpquota:prjquota'],
];

/** A block of the users' file: of the tree, those that lead to root's entry, and that with it. */
type QuotaBlock = 'header' | 'root' | 'second' | 'entries';

type Way = {
	readonly title: string;
	readonly code: FindingCode | undefined;
	readonly block: QuotaBlock;
	/** In the block. */
	readonly at: number;
	readonly value: number;
	/** Of e2fsck. */
	readonly exit: 0 | 4;
};

const entryAt = qt_disk_dqdbheader.sizeBytes;
const header = v2_disk_dqheader.fields;
const entry = v2r1_disk_dqblk.fields;

const ways: readonly Way[] = [
	{
		title: 'another version',
		code: 'CHECK_QUOTA_HEADER',
		block: 'header',
		at: header.dqh_version.at,
		value: 7,
		exit: 4,
	},
	{
		title: 'the magic number of something else, at which e2fsck looks no further,',
		code: 'CHECK_QUOTA_HEADER',
		block: 'header',
		at: header.dqh_magic.at,
		value: 1,
		exit: 0,
	},
	{
		title: 'more blocks than the file has',
		code: 'CHECK_QUOTA_TREE',
		block: 'header',
		at: header.dqi_blocks.at,
		value: 99,
		exit: 4,
	},
	{
		title: 'a list of free blocks that begins outside of the file',
		code: 'CHECK_QUOTA_TREE',
		block: 'header',
		at: header.dqi_free_blk.at,
		value: 99,
		exit: 4,
	},
	{
		title: 'a list of free entries that begins outside of the file',
		code: 'CHECK_QUOTA_TREE',
		block: 'header',
		at: header.dqi_free_entry.at,
		value: 99,
		exit: 4,
	},
	{
		title: 'a time of grace',
		code: undefined,
		block: 'header',
		at: header.dqi_bgrace.at,
		value: 1,
		exit: 0,
	},
	{
		title: 'a root that leads nowhere',
		code: 'CHECK_QUOTA_ENTRY_MISSING',
		block: 'root',
		at: 0,
		value: 0,
		exit: 4,
	},
	{
		title: 'a root that leads out of the file',
		code: 'CHECK_QUOTA_TREE',
		block: 'root',
		at: 0,
		value: 99,
		exit: 4,
	},
	{
		title: 'a tree that leads to a block twice, which e2fsck takes,',
		code: 'CHECK_QUOTA_TREE',
		block: 'second',
		at: 800,
		value: 1,
		exit: 0,
	},
	{
		title: 'another count of bytes',
		code: 'CHECK_QUOTA_USAGE',
		block: 'entries',
		at: entryAt + entry.dqb_curspace.at,
		value: 12345,
		exit: 4,
	},
	{
		title: 'another count of inodes',
		code: 'CHECK_QUOTA_USAGE',
		block: 'entries',
		at: entryAt + entry.dqb_curinodes.at,
		value: 77,
		exit: 4,
	},
	{
		title: 'the count of another owner',
		code: 'CHECK_QUOTA_USAGE',
		block: 'entries',
		at: entryAt + entry.dqb_id.at,
		value: 4242,
		exit: 4,
	},
	{
		title: 'a limit',
		code: undefined,
		block: 'entries',
		at: entryAt + entry.dqb_bhardlimit.at,
		value: 1000,
		exit: 0,
	},
];

/** Where the block begins in the image; the file lies in one piece. */
function placeOf(bytes: Buffer, block: QuotaBlock): number {
	const magic = Buffer.alloc(8);
	magic.writeUInt32LE(quotaMagic.user, 0);
	magic.writeUInt32LE(quotaVersion, 4);
	const file = bytes.indexOf(magic);
	if (file < 0 || file % quotaBlockSize !== 0) throw new RangeError('no quota file of users');
	if (block === 'header') return file;
	let at = file + quotaRootBlock * quotaBlockSize;
	const steps = {root: 0, second: 1, entries: quotaTreeDepth}[block];
	// Root is user 0: the first reference of each block leads on.
	for (let step = 0; step < steps; step++) at = file + bytes.readUInt32LE(at) * quotaBlockSize;
	return at;
}

for (const {title, code, block, at, value, exit} of ways) {
	testUnless(why, `a quota file with ${title} is judged`, t => {
		const result = judge(options, [], bytes => {
			bytes.writeUInt32LE(value, placeOf(bytes, block) + at);
		});
		if (code === undefined) t.deepEqual(result.codes, []);
		else t.true(result.codes.includes(code), result.codes.join(', '));
		t.is(result.exit, exit);
	});
}
