/**
 * What the checker says: one finding for each thing that is wrong, as data. Which findings there
 * are, how bad each is and how it reads, stands in the tables of `codes/`, one for each pass.
 */
import {type FindingCode, findingTable} from './codes.ts';
import type {RangeOf, Severity} from './definition.ts';

/** Each pass looks at one kind of thing; they run in this order. */
export const passes = [
	'volume',
	'inodes',
	'directories',
	'connectivity',
	'references',
	'bitmaps',
	'quota',
] as const;

export type PassName = (typeof passes)[number];

/** Where it is wrong; whichever are known. Numbers are those of the file system. */
export type FindingPlace = {
	/** Physical block. */
	readonly block?: number | undefined;
	readonly inode?: number | undefined;
	readonly group?: number | undefined;
	/** In bytes, from the start of the block; in the inode's own bytes where no block is given. */
	readonly offset?: number | undefined;
	/** Block of the file, counted from its start. */
	readonly logical?: number | undefined;
	/** The directory that the entry lies in. */
	readonly directory?: number | undefined;
	/** From the root, where it is known when the finding is made; names as they are, in latin1. */
	readonly path?: string | undefined;
};

export type FindingValue = number | string | undefined;

/** What a finding is about where that is several of a kind, by their numbers. */
export type FindingRanges = {
	readonly of: RangeOf;
	/** First and last of each stretch, in ascending order. */
	readonly list: readonly (readonly [first: number, last: number])[];
	/** How many more there are, in stretches that are not listed. */
	readonly omittedCount: number;
};

export type Finding = {
	/** Stable: scripts may rely on it. */
	readonly code: FindingCode;
	readonly severity: Severity;
	readonly pass: PassName;
	readonly place: FindingPlace;
	readonly found: FindingValue;
	readonly expected: FindingValue;
	/**
	 * How many findings it stands for: those of one code whose numbers follow each other are one.
	 * Values that they don't have in common are undefined, and the place is that of the first.
	 */
	readonly count: number;
	readonly ranges: FindingRanges | undefined;
	/** One plain sentence without a full stop, the values filled in. */
	readonly message: string;
	readonly e2fsck: readonly string[];
};

/** What a sentence may tell beside the place: always under these two names, and others by need. */
export type FindingValues = {
	readonly found?: FindingValue;
	readonly expected?: FindingValue;
	readonly [name: string]: FindingValue;
};

/** Stretches that a sentence names; the rest it counts. */
const stretchesShown = 8;

/** `block 7`, `blocks 7-9, 12`, `blocks 7-9, 12, … and 391 more`. */
function whichOf({of, list, omittedCount}: FindingRanges): string {
	const shown = list.slice(0, stretchesShown);
	let more = omittedCount;
	for (const [first, last] of list.slice(stretchesShown)) more += last - first + 1;
	const parts = shown.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
	const [[first, last] = [0, 0]] = list;
	const isOne = list.length === 1 && first === last && more === 0;
	const noun = of === 'logical' ? 'block' : of;
	const rest = more === 0 ? '' : `, … and ${more} more`;
	return `${noun}${isOne ? '' : 's'} ${parts.join(', ')}${rest}`;
}

function fillIn(sentence: string, known: {readonly [name: string]: FindingValue}): string {
	return sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(known[name] ?? '?'));
}

/** The sentence for a finding that stands for several. */
export function groupedMessage({code, place, found, expected, ranges}: Finding): string {
	const {grouped, sentence} = findingTable[code];
	const which = ranges === undefined ? '' : whichOf(ranges);
	return fillIn(grouped?.sentence ?? sentence, {...place, found, expected, which});
}

/** How checksums, hashes, magic numbers and flags are told. */
export function hex(value: number): string {
	return `0x${(value >>> 0).toString(16)}`;
}

/** A finding with its sentence filled in. */
export function makeFinding(
	pass: PassName,
	code: FindingCode,
	place: FindingPlace,
	values: FindingValues = {},
	ranges?: FindingRanges,
): Finding {
	const {severity, sentence, e2fsck} = findingTable[code];
	const which = ranges === undefined ? undefined : whichOf(ranges);
	const message = fillIn(sentence, {...place, which, ...values});
	const {found, expected} = values;
	return {code, severity, pass, place, found, expected, count: 1, ranges, message, e2fsck};
}
