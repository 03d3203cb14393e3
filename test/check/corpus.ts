/**
 * Our checker over the regression images of e2fsprogs: its verdict against the manifest's, and for
 * each kind of problem that e2fsck names, whether we have a finding at the same place.
 */
import type {FindingCode} from '../../ext4/check/codes.ts';
import type {Finding} from '../../ext4/check/finding.ts';
import {type CorpusEntry, readCorpusImage} from '../support/corpus.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import type {Verdict} from './e2fsck.ts';
import {type OurVerdict, runOurs} from './ours.ts';

export type ManifestProblem = {
	/** As `p1.bad-i-size`. */
	readonly problem: string;
	readonly class: string;
	readonly count: number;
	/** Of the first one. */
	readonly ino?: number;
	readonly dir?: number;
	readonly blk?: number;
	readonly group?: number;
};

type Judgement = {
	readonly exit: number | null;
	readonly timedOut?: boolean;
	readonly problems: readonly ManifestProblem[];
};

export type CheckEntry = CorpusEntry & {
	readonly about: string;
	readonly e2fsck: Judgement;
	readonly e2fsckNewer?: {readonly exit: number; readonly problems?: readonly ManifestProblem[]};
	readonly replay?: {readonly e2fsckExit: number; readonly problems?: readonly ManifestProblem[]};
};

export type Comparison = {
	readonly name: string;
	readonly expected: Verdict;
	readonly ours: OurVerdict;
	/** Problems of e2fsck's for which we have no finding at their place. */
	readonly missing: readonly ManifestProblem[];
};

/**
 * What a checker that replays the journal should say: after the replay where there is one; as the
 * newer release where the two are at odds, which the corpus calls the better judge.
 */
export function expectedOf(entry: CheckEntry): {
	readonly verdict: Verdict;
	readonly problems: readonly ManifestProblem[];
} {
	const {verdict, replay, e2fsck, e2fsckNewer} = entry;
	if (verdict === 'unusable' || verdict === 'refused') return {verdict: 8, problems: []};
	if (replay !== undefined) {
		return {verdict: (replay.e2fsckExit & 4) === 0 ? 0 : 4, problems: replay.problems ?? []};
	}
	const problems = e2fsckNewer?.problems ?? e2fsck.problems;
	if (verdict === 'clean' || verdict === 'notes') return {verdict: 0, problems};
	if (verdict === 'corrupt') return {verdict: 4, problems};
	return {verdict: ((e2fsckNewer?.exit ?? e2fsck.exit ?? 0) & 4) === 0 ? 0 : 4, problems};
}

/** What e2fsck says about itself or asks: no kind of problem of its own. */
const remarks = [
	'p0.relocate-hint',
	'p1.suppress-messages',
	'p1.inode-block-latch',
	'p1.inode-bblock-latch',
	'p1.bad-primary-block-prompt',
	'p1.unknown-010011',
	'p1b.dup-block-header',
	'p1b.dup-block-end',
	'p1d.clone-question',
	'p1d.delete-question',
	'p1d.num-dup-inodes',
	'p1d.dup-file-list',
	'p5.block-bitmap-header',
	'p5.block-bitmap-end',
	'p5.inode-bitmap-header',
	'p5.inode-bitmap-end',
];

/**
 * Problems that e2fsck meets because it goes on with what it has found wrong before, while we tell
 * the cause alone. The cause, as a code of ours.
 */
const consequences: {readonly [problem: string]: readonly FindingCode[]} = {
	// Two files in one cluster, at different places of it.
	'p1.misaligned-cluster': ['CHECK_BLOCKS_CLAIMED_TWICE'],
	// The attribute is there, and its value lies where it can not.
	'p1.inline-data-no-attr': ['CHECK_ATTRIBUTE_OVERLAP'],
	'p1.treat-as-directory': ['CHECK_INODE_MODE'],
	// Of the time of deletion as a link of a list: told as a time that an inode in use has not.
	'p1.low-dtime': ['CHECK_INODE_USED_WITH_DELETION_TIME'],
	'p1.orphan-list-refugees': ['CHECK_INODE_USED_WITH_DELETION_TIME'],
	'p2.dir-corrupted': ['CHECK_INLINE_WITHOUT_ATTRIBUTE'],
	// The root is a directory without links: to e2fsck it is not there, and all entries for it hang.
	'p2.unused-inode': ['CHECK_ENTRY_INODE_NEVER_USED', 'CHECK_LINK_COUNT'],
	'p3.no-root-inode': ['CHECK_LINK_COUNT'],
	'p3.bad-dot-dot': [
		'CHECK_DIRECTORY_HOLE',
		'CHECK_DOTDOT_MISSING',
		'CHECK_DIRECTORY_ENTRY_LENGTH',
	],
	'p5.block-range-used': ['CHECK_BLOCK_BITMAP_PLACE'],
	'p5.free-block-count-group': ['CHECK_BLOCK_BITMAP_PLACE'],
	'p5.block-bmap-padding': ['CHECK_BLOCK_BITMAP_PLACE', 'CHECK_LAST_GROUP_UNINIT'],
};

/** What goes wrong in one inode because of another, or in a bitmap because of its descriptor. */
const causeIsElsewhere = [
	'p2.unused-inode',
	'p2.dir-corrupted',
	'p3.bad-dot-dot',
	'p3.no-root-inode',
	'p5.block-range-used',
];

/** The place that e2fsck tells is left from the problem before. */
const withoutPlace = ['p4.dir-nlink-feature'];

/** Problems of which the block in the log is the place, and no number that was found or counted. */
const blockIsPlace = [
	'p1.bad-ea-block',
	'p1.read-ea-block',
	'p1.ea-block-only-csum-invalid',
	'p1.extattr-refcount',
	'p1b.dup-block',
	'p1b.dup-range',
	'p5.block-used',
	'p5.block-range-used',
	'p5.block-unused',
	'p5.block-range-unused',
];

/** What e2fsck names as the place, by its words for the problem; the rest of its log is left over. */
type WantedPlace = {
	/** One of these. */
	readonly inodes: readonly number[];
	readonly block: number | undefined;
	readonly group: number | undefined;
};

function wantedPlaceOf({problem, ino, dir, blk, group}: ManifestProblem): WantedPlace {
	const nowhere = {inodes: [], block: undefined, group: undefined};
	if (withoutPlace.includes(problem)) return nowhere;
	const inodes = [ino, dir].filter(
		(number): number is number => number !== undefined && number !== 0,
	);
	const block = blockIsPlace.includes(problem) ? blk : undefined;
	switch (problem.slice(0, problem.indexOf('.'))) {
		case 'p0':
			return {...nowhere, group: /\.(gdt|bb|ib|itable)-/.test(problem) ? group : undefined};
		case 'p5': {
			const isOfGroup = /-group$|-padding$|-csum-invalid$/.test(problem);
			const isOfInodes = /\.inode-(range-)?(used|unused)$/.test(problem);
			return {inodes: isOfInodes ? inodes : [], block, group: isOfGroup ? group : undefined};
		}
		case 'p6':
			return nowhere;
		default:
			return {inodes, block, group: undefined};
	}
}

/** Whether a finding is about `number`, alone or with others. */
function isAt({place, ranges}: Finding, of: 'inode' | 'block' | 'group', number: number): boolean {
	if (ranges?.of === of) {
		return ranges.list.some(([first, last]) => number >= first && number <= last);
	}
	return place[of] === number || (of === 'inode' && place.directory === number);
}

/** Whether a finding lies where a problem does. */
function isAtPlaceOf(finding: Finding, problem: ManifestProblem): boolean {
	const {inodes, block, group} = wantedPlaceOf(problem);
	return (
		(inodes.length === 0 || inodes.some(inode => isAt(finding, 'inode', inode))) &&
		(block === undefined || isAt(finding, 'block', block)) &&
		(group === undefined || isAt(finding, 'group', group))
	);
}

function isCauseOf(finding: Finding, problem: ManifestProblem): boolean {
	// To e2fsck, an inode with bad fields has no type, so that no type in an entry is right.
	if (problem.problem === 'p2.bad-filetype' && finding.pass === 'inodes') {
		return finding.severity === 'error' && finding.place.inode !== undefined;
	}
	const isCause = consequences[problem.problem]?.includes(finding.code) ?? false;
	if (!isCause || causeIsElsewhere.includes(problem.problem)) return isCause;
	return isAtPlaceOf(finding, problem);
}

function isFound(problem: ManifestProblem, findings: readonly Finding[]): boolean {
	return findings.some(
		finding =>
			isCauseOf(finding, problem) ||
			(finding.e2fsck.includes(problem.problem) && isAtPlaceOf(finding, problem)),
	);
}

export function compareEntry(entry: CheckEntry): Comparison {
	const ours = runOurs(new MemoryDevice(readCorpusImage(entry), true));
	const {verdict, problems} = expectedOf(entry);
	const missing = problems.filter(
		problem => !remarks.includes(problem.problem) && !isFound(problem, ours.findings),
	);
	return {name: entry.name, expected: verdict, ours, missing};
}

/** One line on what differs; undefined where nothing does. */
export function describeDifference({
	name,
	expected,
	ours,
	missing,
}: Comparison): string | undefined {
	const parts: string[] = [];
	if (ours.crash !== undefined) parts.push(`threw ${ours.crash}`);
	if (ours.verdict !== expected) {
		const codes = [...(ours.summary?.codes ?? [])].map(([code, count]) => `${code} ${count}`);
		const givenUp = ours.summary?.givenUp.map(({pass, why}) => `${pass} given up: ${why}`) ?? [];
		const reason = ours.summary?.reason ?? '';
		parts.push(
			`exit ${ours.verdict}, not ${expected} (${[...codes, ...givenUp, reason].join(', ')})`,
		);
	}
	if (missing.length > 0) {
		const places = missing.map(({problem, ino, dir, group}) => {
			const at = Object.entries({ino, dir, group}).filter(([, value]) => value !== undefined);
			return [problem, ...at.map(([key, value]) => `${key} ${value}`)].join(' ');
		});
		parts.push(`not found: ${places.join(', ')}`);
	}
	return parts.length === 0 ? undefined : `${name}: ${parts.join('; ')}`;
}
