/** What a finding's code means, in words. */
import {findingTable, isFindingCode} from '../../ext4/check/codes.ts';
import {UsageError} from '../cli-error.ts';

const columns = 80;

/** Breaks text into lines between words. */
export function wrap(text: string, width = columns): string {
	const lines: string[] = [];
	let line = '';
	for (const word of text.split(/\s+/)) {
		if (line !== '' && line.length + 1 + word.length > width) {
			lines.push(line);
			line = word;
		} else line = line === '' ? word : `${line} ${word}`;
	}
	return [...lines, line].join('\n');
}

/** `p1.bad-i-size` as e2fsprogs' sources spell it: `PR_1_BAD_I_SIZE`. */
function problemConstant(name: string): string {
	return name.replace(/^p/, 'PR_').replace(/[.-]/g, '_').toUpperCase();
}

/** Codes that other commands print, by how they begin; docs/cli.md has them. The first that fits. */
const refusals: readonly (readonly [prefix: string, meaning: string])[] = [
	['IMAGE_', 'it is not what it should be as a container, such as a disk of several partitions'],
	['EXT4_UNSUPPORTED_', 'it uses what is not read here'],
	['EXT4_DEVICE', 'the file or device that holds the image could not be read'],
	['EXT4_BUDGET', 'to read it takes more than it would of any sound image'],
	['EXT4_', 'it is damaged. Run "ext4box check IMAGE" to see all that is wrong with it'],
];

/** Throws `UsageError` for what is no code of a finding. */
export function explanationOf(code: string): string {
	const wanted = code.toUpperCase();
	const known = isFindingCode(wanted)
		? wanted
		: isFindingCode(`CHECK_${wanted}`)
			? (`CHECK_${wanted}` as const)
			: undefined;
	if (known === undefined || !isFindingCode(known)) {
		const refusal = refusals.find(([prefix]) => wanted.startsWith(prefix));
		if (refusal !== undefined) {
			throw new UsageError(
				`${wanted} is no finding of the checker, but why a command refused an image or a file: ${refusal[1]}`,
			);
		}
		throw new UsageError(
			`"${code}" is no code of a finding; "ext4box check --explain all" lists them`,
		);
	}
	const {severity, sentence, explanation, e2fsck} = findingTable[known];
	const theirs =
		e2fsck.length === 0
			? 'e2fsck has no problem like it.'
			: `e2fsck calls it ${e2fsck.map(problemConstant).join(', ')}.`;
	const parts = [`${known} (${severity})`, wrap(`“${sentence}”`), wrap(explanation), wrap(theirs)];
	return `${parts.join('\n\n')}\n`;
}

/** A line a code. */
export function allCodes(): string {
	const codes = Object.keys(findingTable).filter(isFindingCode).sort();
	const width = Math.max(0, ...codes.map(code => code.length));
	return codes
		.map(code => {
			const {severity, sentence} = findingTable[code];
			return `${code.padEnd(width)}  ${severity.padEnd(7)}  ${sentence}\n`;
		})
		.join('');
}
