/**
 * How names compare in casefolded directories: Unicode 12.1, canonical decomposition, full case
 * folding, ignorable code points left out (NFDICF). Names that are not UTF-8 compare as bytes.
 *
 * Folding is by table; decomposition is the engine's own, whose results Unicode promises never to
 * change for a character that exists. What did not exist in 12.1 must not be decomposed, so the
 * table knows that as well. docs/decisions/casefold.md has the measurements.
 */
import {expansions, foldingRuns, ignorableRanges, unassignedRanges} from './casefold-table.ts';

/** Code points in ascending ranges: even places start one, the odd ones after it end it. */
type RangeSet = Uint32Array;

type Tables = {
	readonly unassigned: RangeSet;
	readonly ignorable: RangeSet;
	readonly foldings: ReadonlyMap<number, string>;
};

function numbersOf(table: string): number[] {
	return table
		.trim()
		.split(/\s+/)
		.map(text => Number.parseInt(text, 36));
}

function rangeSetOf(table: string): RangeSet {
	const edges = numbersOf(table);
	let position = 0;
	return Uint32Array.from(edges, step => {
		position += step;
		return position;
	});
}

function holds(set: RangeSet, codePoint: number): boolean {
	// Counts the edges at or below the code point: an odd number is inside a range.
	let low = 0;
	let high = set.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((set[middle] ?? 0) <= codePoint) low = middle + 1;
		else high = middle;
	}
	return low % 2 === 1;
}

function foldingsOf(runs: readonly number[], sequences: readonly number[]): Map<number, string> {
	const foldings = new Map<number, string>();
	let end = 0;
	for (let at = 0; at < runs.length; at += 4) {
		const [gap = 0, count = 0, stride = 0, difference = 0] = runs.slice(at, at + 4);
		for (let index = 0; index < count; index++) {
			const codePoint = end + gap + index * stride;
			foldings.set(codePoint, String.fromCodePoint(codePoint + difference));
		}
		end += gap + (count - 1) * stride + 1;
	}
	for (let at = 0; at < sequences.length; ) {
		const [codePoint = 0, length = 0] = sequences.slice(at, at + 2);
		at += 2 + length;
		foldings.set(codePoint, String.fromCodePoint(...sequences.slice(at - length, at)));
	}
	return foldings;
}

let loaded: Tables | undefined;

/** Unpacked when a name first needs it: few images fold, and of their names few leave ASCII. */
function tables(): Tables {
	loaded ??= {
		unassigned: rangeSetOf(unassignedRanges),
		ignorable: rangeSetOf(ignorableRanges),
		foldings: foldingsOf(numbersOf(foldingRuns), numbersOf(expansions)),
	};
	return loaded;
}

const encoder = new TextEncoder();

/**
 * The form in which a name compares and is hashed, or undefined for one that is not UTF-8. The
 * result may be empty, and may be longer than the name.
 */
export function foldName(name: Uint8Array): Uint8Array | undefined {
	const folded = new Uint8Array(name.length);
	for (let at = 0; at < name.length; at++) {
		const byte = name[at] ?? 0;
		if (byte >= 0x80) return foldUnicode(name);
		folded[at] = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
	}
	return folded;
}

function foldUnicode(name: Uint8Array): Uint8Array | undefined {
	const {unassigned, ignorable, foldings} = tables();
	const folded: number[] = [];
	let pending = '';
	const settle = () => {
		folded.push(...encoder.encode(pending.normalize('NFD')));
		pending = '';
	};
	for (let at = 0; at < name.length; ) {
		const codePoint = decodeAt(name, at);
		if (codePoint === undefined) {
			// The kernel lets stray continuation bytes through, if only a character precedes them.
			const byte = name[at] ?? 0;
			if (at === 0 || !isContinuation(byte)) return undefined;
			settle();
			folded.push(byte);
			at++;
			continue;
		}
		at += encodedLength(codePoint);
		if (holds(ignorable, codePoint)) {
			settle(); // Left out itself, it still keeps the marks on its two sides apart.
			continue;
		}
		if (holds(unassigned, codePoint)) {
			settle();
			folded.push(...encoder.encode(String.fromCodePoint(codePoint)));
			continue;
		}
		pending += foldings.get(codePoint) ?? String.fromCodePoint(codePoint);
	}
	settle();
	return Uint8Array.from(folded);
}

function isContinuation(byte: number): boolean {
	return (byte & 0xc0) === 0x80;
}

function encodedLength(codePoint: number): number {
	return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x1_0000 ? 3 : 4;
}

/** The code point encoded at `at`, or undefined where none is: RFC 3629, section 4. */
function decodeAt(bytes: Uint8Array, at: number): number | undefined {
	const lead = bytes[at] ?? 0;
	if (lead < 0x80) return lead;
	const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
	if (length === 0 || at + length > bytes.length) return undefined;
	let codePoint = lead & (0x7f >> length);
	for (let index = 1; index < length; index++) {
		const byte = bytes[at + index] ?? 0;
		if (!isContinuation(byte)) return undefined;
		codePoint = (codePoint << 6) | (byte & 0x3f);
	}
	// Neither a longer form than needed, nor half of a surrogate pair, nor beyond the last.
	if (encodedLength(codePoint) !== length || codePoint > 0x10_ffff) return undefined;
	return codePoint >= 0xd800 && codePoint <= 0xdfff ? undefined : codePoint;
}

/** How many names beyond ASCII may still be folded, at a thousand times the cost of others. */
export type FoldBudget = {foldsLeft: number};

/**
 * Whether the name of `length` bytes at `start` folds to `folded`. Most names are ASCII and are
 * compared where they lie; each that is not is taken from the budget, and the caller stops when
 * nothing is left of it.
 */
export function foldsTo(
	bytes: Uint8Array,
	start: number,
	length: number,
	folded: Uint8Array,
	budget: FoldBudget,
): boolean {
	for (let index = 0; index < length; index++) {
		const byte = bytes[start + index] ?? 0;
		if (byte >= 0x80) {
			budget.foldsLeft--;
			return unicodeFoldsTo(bytes.subarray(start, start + length), folded);
		}
		const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
		// ASCII is never reordered nor ignored, so whatever follows, this byte stays in its place.
		if (lower !== folded[index]) return false;
	}
	return length === folded.length;
}

function unicodeFoldsTo(name: Uint8Array, folded: Uint8Array): boolean {
	const other = foldUnicode(name);
	return (
		other !== undefined &&
		other.length === folded.length &&
		other.every((byte, index) => byte === folded[index])
	);
}
