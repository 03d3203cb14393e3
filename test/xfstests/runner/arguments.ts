/** The command line of the runner. */
import {parseArgs} from 'node:util';
import {type Group, groups} from '../api.ts';
import {type SystemName, systemNames} from './systems.ts';

export const usage = `Usage: npm run xfstests -- [-g GROUP[,GROUP]] [-x EXCLUDE[,EXCLUDE]] [--fs NAME[,NAME]]
                            [-j N] [--results DIR] [--repeat N] [--golden] [--list] [NNN…]

Runs numbered tests, each on a new file system, and checks the image afterwards.

  NNN              only these tests: 007, or 001-040
  -g, --group G    only tests of these groups: ${groups.join(', ')}
  -x, --exclude X  not these groups or tests
      --fs NAME    on which file systems: ${systemNames.join(', ')} (default: ext4box)
      --results D  where results go (default: results)
  -j, --jobs N     so many tests at once (default: 1)
      --repeat N   each test so many times, or until it fails
      --golden     take for golden what is printed on the first of them; read it then!
      --list       tell what would run, and run nothing

Exit status: 0 all passed (or could not be run here), 1 a test failed on ext4box or the kernel's ext4,
or none could be run, 2 wrong usage.
`;

export type Arguments = {
	readonly numbers: readonly string[];
	readonly groups: readonly Group[];
	readonly excluded: readonly string[];
	readonly systems: readonly SystemName[];
	readonly results: string;
	readonly repeat: number;
	readonly jobs: number;
	readonly takesGolden: boolean;
	readonly onlyLists: boolean;
	readonly wantsHelp: boolean;
};

export class UsageError extends Error {
	override readonly name = 'UsageError';
}

function words(values: readonly string[]): string[] {
	return values.flatMap(value => value.split(',')).filter(word => word !== '');
}

function oneOf<T extends string>(known: readonly T[], word: string, what: string): T {
	const found = known.find(each => each === word);
	if (found === undefined)
		throw new UsageError(`no ${what} is called ${word}: ${known.join(', ')}`);
	return found;
}

function numbersOf(word: string): string[] {
	const range = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(word);
	if (range === null) throw new UsageError(`${word} is no number of a test`);
	const first = Number(range[1]);
	const last = Number(range[2] ?? first);
	const count = Math.max(0, last - first + 1);
	return Array.from({length: count}, (_, index) => String(first + index).padStart(3, '0'));
}

function excludedOf(word: string): string[] {
	return /^\d/.test(word) ? numbersOf(word) : [oneOf(groups, word, 'group')];
}

function countOf(word: string, option: string): number {
	const count = Number(word);
	if (!Number.isSafeInteger(count) || count < 1)
		throw new UsageError(`${option} ${word}: how many?`);
	return count;
}

/** Throws `UsageError`. */
export function parseArguments(args: readonly string[]): Arguments {
	const {values, positionals} = parse(args);
	return {
		numbers: positionals.flatMap(numbersOf),
		groups: words(values.group).map(word => oneOf(groups, word, 'group')),
		excluded: words(values.exclude).flatMap(excludedOf),
		systems: words(values.fs).map(word => oneOf(systemNames, word, 'file system')),
		results: values.results,
		repeat: countOf(values.repeat, '--repeat'),
		jobs: countOf(values.jobs, '--jobs'),
		takesGolden: values.golden,
		onlyLists: values.list,
		wantsHelp: values.help,
	};
}

function parse(args: readonly string[]) {
	try {
		return parseArgs({
			args: [...args],
			allowPositionals: true,
			options: {
				group: {type: 'string', short: 'g', multiple: true, default: []},
				exclude: {type: 'string', short: 'x', multiple: true, default: []},
				fs: {type: 'string', multiple: true, default: ['ext4box']},
				results: {type: 'string', default: 'results'},
				repeat: {type: 'string', default: '1'},
				jobs: {type: 'string', short: 'j', default: '1'},
				golden: {type: 'boolean', default: false},
				list: {type: 'boolean', default: false},
				help: {type: 'boolean', short: 'h', default: false},
			},
		});
	} catch (error) {
		throw new UsageError(error instanceof Error ? error.message : String(error));
	}
}
