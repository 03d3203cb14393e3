/**
 * Our checker over the regression images of e2fsprogs: its verdict against the manifest's, and for
 * each kind of problem that e2fsck names, whether we have a finding at the same place.
 */
import type {FindingCode} from '../../ext4/check/codes.ts';
import type {RangeOf} from '../../ext4/check/definition.ts';
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
	'p2.dir-corrupted': ['CHECK_INLINE_WITHOUT_ATTRIBUTE'],
	'p2.unused-inode': ['CHECK_ENTRY_INODE_NEVER_USED'],
	'p3.bad-dot-dot': [
		'CHECK_DIRECTORY_HOLE',
		'CHECK_DOTDOT_MISSING',
		'CHECK_DIRECTORY_ENTRY_LENGTH',
	],
	'p5.block-range-used': ['CHECK_BLOCK_BITMAP_PLACE'],
	'p5.free-block-count-group': ['CHECK_BLOCK_BITMAP_PLACE'],
	'p5.block-bmap-padding': ['CHECK_BLOCK_BITMAP_PLACE'],
};

/** The place that e2fsck tells is left from the problem before. */
const withoutPlace = ['p4.dir-nlink-feature'];

/** Whether a finding stands for several, of which one is `number`. */
function isInRanges({ranges}: Finding, of: RangeOf, number: number): boolean {
	if (ranges === undefined || ranges.of !== of) return false;
	return ranges.list.some(([first, last]) => number >= first && number <= last);
}

/** Whether a finding lies where a problem does, as far as both say where. */
function isAtPlaceOf(finding: Finding, {problem, ino, dir, group}: ManifestProblem): boolean {
	const {place} = finding;
	if (withoutPlace.includes(problem)) return true;
	const inodes: (number | undefined)[] = [place.inode, place.directory].filter(
		number => number !== undefined,
	);
	const theirs = [ino, dir].filter(
		(number): number is number => number !== undefined && number !== 0,
	);
	if (inodes.length > 0 && theirs.length > 0) {
		return theirs.some(number => inodes.includes(number) || isInRanges(finding, 'inode', number));
	}
	// A problem with an inode has the group of nothing in particular.
	if (group !== undefined && place.group !== undefined && theirs.length === 0) {
		return group === place.group || isInRanges(finding, 'group', group);
	}
	return true;
}

function isCauseOf(finding: Finding, problem: ManifestProblem): boolean {
	// To e2fsck, an inode with bad fields has no type, so that no type in an entry is right.
	if (problem.problem === 'p2.bad-filetype' && finding.pass === 'inodes') {
		return finding.severity === 'error' && finding.place.inode !== undefined;
	}
	return consequences[problem.problem]?.includes(finding.code) ?? false;
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
