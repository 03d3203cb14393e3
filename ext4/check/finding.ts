/**
 * What the checker says: one finding for each thing that is wrong, as data. Which findings there
 * are, how bad each is and how it reads, stands in the tables of `codes/`, one for each pass.
 */
import {type FindingCode, findingTable} from './codes.ts';
import type {Severity} from './definition.ts';

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

export type Finding = {
	/** Stable: scripts may rely on it. */
	readonly code: FindingCode;
	readonly severity: Severity;
	readonly pass: PassName;
	readonly place: FindingPlace;
	readonly found: FindingValue;
	readonly expected: FindingValue;
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

/** A finding with its sentence filled in. */
export function makeFinding(
	pass: PassName,
	code: FindingCode,
	place: FindingPlace,
	values: FindingValues = {},
): Finding {
	const {severity, sentence, e2fsck} = findingTable[code];
	const known: {readonly [name: string]: FindingValue} = {...place, ...values};
	const message = sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(known[name] ?? '?'));
	const {found, expected} = values;
	return {code, severity, pass, place, found, expected, message, e2fsck};
}
