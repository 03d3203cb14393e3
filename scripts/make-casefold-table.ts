/**
 * Makes `ext4/directory/casefold-table.ts` from the data of Unicode 12.1, the one version that
 * ext4's casefolded directories know. Run it again only when the table's form changes:
 *
 *     npm install --no-save @unicode/unicode-12.1.0
 *     node scripts/make-casefold-table.ts
 *
 * The package is 34 MB, which is why it is no dependency: the table is committed instead.
 */
import {writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

const unicode = '@unicode/unicode-12.1.0';
const target = fileURLToPath(new URL('../ext4/directory/casefold-table.ts', import.meta.url));

async function load<T>(path: string): Promise<T> {
	const module = await import(`${unicode}/${path}/code-points.mjs`);
	return module.default;
}

/** Pairs of the gap since the end of the range before, and the range's length. */
function rangesOf(codePoints: Iterable<number>): number[] {
	const numbers: number[] = [];
	let end = 0;
	let length = 0;
	for (const codePoint of [...codePoints].sort((a, b) => a - b)) {
		if (length > 0 && codePoint === end) {
			length++;
			numbers[numbers.length - 1] = length;
		} else {
			length = 1;
			numbers.push(codePoint - end, length);
		}
		end = codePoint + 1;
	}
	return numbers;
}

/** Quadruples: the gap since the run before, how many, how far apart, and what each one adds. */
function runsOf(mapping: ReadonlyMap<number, number>): number[] {
	const pairs = [...mapping].sort(([a], [b]) => a - b);
	const numbers: number[] = [];
	let end = 0;
	for (let index = 0; index < pairs.length; ) {
		const [first, folded] = pairs[index] as [number, number];
		const next = pairs[index + 1];
		const stride = next !== undefined && next[0] - first <= 2 ? next[0] - first : 1;
		let count = 1;
		for (;;) {
			const pair = pairs[index + count];
			if (pair?.[0] !== first + count * stride || pair[1] - pair[0] !== folded - first) break;
			count++;
		}
		numbers.push(first - end, count, stride, folded - first);
		end = first + (count - 1) * stride + 1;
		index += count;
	}
	return numbers;
}

/** Base 36, wrapped to the width that the formatter keeps. */
function literal(numbers: readonly number[]): string {
	const lines = [''];
	for (const number of numbers) {
		const text = number.toString(36);
		const line = lines[lines.length - 1] as string;
		if (line.length + text.length + 1 > 96) lines.push(text);
		else lines[lines.length - 1] = line === '' ? text : `${line} ${text}`;
	}
	return `\`\n${lines.join('\n')}\n\``;
}

const unassigned = await load<number[]>('General_Category/Unassigned');
const ignorable = await load<number[]>('Binary_Property/Default_Ignorable_Code_Point');
const common = await load<Map<number, number>>('Case_Folding/C');
const full = await load<Map<number, number[]>>('Case_Folding/F');
const expansions = [...full].sort(([a], [b]) => a - b);

writeFileSync(
	target,
	`/**
 * Unicode 12.1, as far as folding names needs it. Made by scripts/make-casefold-table.ts; all
 * numbers are in base 36.
 */

/** Code points that were no characters then: the gap since the range before, its length. */
export const unassignedRanges = ${literal(rangesOf(unassigned))};

/** Default_Ignorable_Code_Point: the gap since the range before, its length. */
export const ignorableRanges = ${literal(rangesOf(ignorable))};

/** CaseFolding.txt, status C: the gap since the run before, its count, its stride, what to add. */
export const foldingRuns = ${literal(runsOf(common))};

/** CaseFolding.txt, status F: the code point, how many it becomes, these. */
export const expansions = ${literal(expansions.flatMap(([from, to]) => [from, to.length, ...to]))};
`,
);
