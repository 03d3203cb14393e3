/** `ext4box check`: what is wrong with a file system; changes nothing. */
import {availableParallelism} from 'node:os';
import type {CheckSummary} from '../../ext4/check/check.ts';
import {isExpectedError} from '../../ext4/index.ts';
import {readSuperblock} from '../../ext4/superblock.ts';
import {type OpenedImage, openImage} from '../../images/index.ts';
import {argumentBytes} from '../argument-bytes.ts';
import type {CheckedImage} from '../check/checked-image.ts';
import {Interrupted, runEngine} from '../check/engine.ts';
import {allCodes, explanationOf} from '../check/explain.ts';
import {refusalText, whyInUse} from '../check/in-use.ts';
import {
	type FindingsWriter,
	JsonLinesWriter,
	JsonWriter,
	SarifWriter,
	TextWriter,
} from '../check/output.ts';
import {ProgressBar} from '../check/progress.ts';
import {checkStatus, statusOf} from '../check/verdict.ts';
import {CliError, UsageError} from '../cli-error.ts';
import {parseCommand, parseCount} from '../command-line.ts';
import {describeFailure} from '../failure.ts';
import {countOf} from '../format.ts';
import {placeOf} from '../image-arguments.ts';
import {log} from '../log.ts';
import {flushOutput, OutputFailed, print} from '../output.ts';

export const usage = `Usage: ext4box check [OPTIONS] IMAGE
       ext4box check --explain CODE

Finds what is wrong with an ext2, ext3 or ext4 file system, and changes nothing, as e2fsck -fn. A
journal that was not brought home is replayed in memory first. Each finding is one line: how bad it
is, what is wrong, where, and its code.

Options:
  --explain CODE     tell what a finding means, and what e2fsck would do; "all" lists the codes
  --json             one document for programs; see docs/check.md
  --json=lines       one object a line, as findings come
  --sarif            a log in SARIF 2.1.0, for code hosts and viewers
  --max-findings N   print no more than N findings, a range being one, and count the rest (10000)
  --jobs N           threads that scan inode tables (one a core for large images, at most 4)
  --live             check even an image that is in use, which may look damaged for it; no command
                     to repair it is told then
  --partition N      the file system is in this partition (found by itself where only one is ext)
  --offset BYTES     the file system starts here; 0x… for hexadecimal, with K, M, G or T for powers
                     of 1024, with s for sectors of 512 bytes

Exit status: 0 clean, 4 errors were found, 8 could not be checked, 16 wrong usage. Warnings and notes
leave a file system clean.

Examples:
  ext4box check disk.img
  ext4box check --json disk.img | jq '.findings[].message'
  ext4box check --explain CHECK_BLOCK_UNREADABLE
`;

const options = {
	explain: {type: 'string'},
	json: {type: 'string'},
	sarif: {type: 'boolean'},
	'max-findings': {type: 'string'},
	jobs: {type: 'string'},
	live: {type: 'boolean'},
	offset: {type: 'string'},
	partition: {type: 'string'},
} as const;

const defaultMaxFindings = 10_000;
const jobsMax = 64;
/** Each thread takes some 150 ms of a processor to start, in which one looks at as many inodes. */
const inodesForThreads = 300_000;

type Settings = {
	readonly format: 'text' | 'json' | 'lines' | 'sarif';
	readonly maxFindings: number;
	/** Undefined: as fits the image. */
	readonly jobs: number | undefined;
	readonly isLive: boolean;
	readonly where: ReturnType<typeof placeOf>;
};

export async function run(args: string[]): Promise<number> {
	try {
		return await parseAndRun(args);
	} catch (error) {
		// The statuses are e2fsck's, for scripts that know it.
		if (error instanceof UsageError) throw new CliError(error.message, checkStatus.usage);
		// Whatever was found, nobody could read it; and 1 means "repaired" there.
		if (error instanceof OutputFailed) throw new CliError(error.message, checkStatus.notChecked);
		throw error;
	}
}

/** `--json` alone takes no value, and `--json=lines` one. */
function withJsonValue(args: readonly string[]): string[] {
	const end = args.indexOf('--');
	return args.map((arg, at) =>
		arg === '--json' && (end < 0 || at < end) ? '--json=document' : arg,
	);
}

async function parseAndRun(args: readonly string[]): Promise<number> {
	const {values, positionals} = parseCommand('check', withJsonValue(args), options, ['[IMAGE]']);
	if (values.explain !== undefined) {
		print(values.explain === 'all' ? allCodes() : explanationOf(values.explain));
		flushOutput(); // While what fails still gets our status.
		return checkStatus.clean;
	}
	const [imagePath] = positionals;
	if (imagePath === undefined) throw new UsageError('IMAGE is missing; see "ext4box help check"');
	const jobs = values.jobs === undefined ? undefined : parseCount(values.jobs, '--jobs');
	return await checkImage(imagePath, {
		format: formatOf(values),
		maxFindings:
			values['max-findings'] === undefined
				? defaultMaxFindings
				: parseCount(values['max-findings'], '--max-findings'),
		jobs: jobs === undefined ? undefined : Math.min(jobs, jobsMax),
		isLive: values.live === true,
		where: placeOf(values),
	});
}

function formatOf(values: {json?: string | undefined; sarif?: boolean | undefined}) {
	if (values.json !== undefined && values.sarif === true) {
		throw new UsageError('--json and --sarif exclude one another');
	}
	switch (values.json) {
		case undefined:
			return values.sarif === true ? 'sarif' : 'text';
		case 'document':
			return 'json';
		case 'lines':
			return 'lines';
		default:
			throw new UsageError(`--json takes no value or "lines", not "${values.json}"`);
	}
}

async function checkImage(imagePath: string, settings: Settings): Promise<number> {
	const reason = whyInUse(imagePath);
	if (reason !== null && !settings.isLive) {
		throw new CliError(refusalText(imagePath, reason, 'check'), checkStatus.notChecked);
	}
	using image = open(imagePath, settings);
	for (const problem of image.problems) log.warn(`${imagePath}: ${problem}`);
	const checked: CheckedImage = {
		path: argumentBytes(imagePath),
		offsetBytes: image.offsetBytes,
		partition: image.partition?.number,
		// Who asks for --live may know of a user that we can't see, such as a virtual machine.
		isInUse: settings.isLive,
	};
	return await checkAndPrint(imagePath, image, writerFor(settings, checked), settings);
}

/** Whatever keeps an image from being opened keeps it from being checked. */
function open(imagePath: string, {where}: Settings): OpenedImage {
	try {
		return openImage(argumentBytes(imagePath), {...where, acceptsBackup: true});
	} catch (error) {
		const described = describeFailure(error);
		if (described === undefined) throw error;
		throw new CliError(`${imagePath}: ${described}`, checkStatus.notChecked);
	}
}

function writerFor({format}: Settings, image: CheckedImage): FindingsWriter {
	switch (format) {
		case 'text':
			return new TextWriter(image);
		case 'json':
			return new JsonWriter(image);
		case 'lines':
			return new JsonLinesWriter(image);
		case 'sarif':
			return new SarifWriter(image);
	}
}

/** As the superblock counts them; 0 where there is none that can be read. */
function usedInodesOf({device}: OpenedImage): number {
	try {
		const {geometry, freeInodeCount} = readSuperblock(device);
		return geometry.inodeCount - freeInodeCount;
	} catch (error) {
		if (isExpectedError(error)) return 0;
		throw error;
	}
}

function jobsFor(image: OpenedImage, {jobs}: Settings): number {
	if (jobs !== undefined) return jobs;
	return usedInodesOf(image) < inodesForThreads ? 1 : Math.min(4, availableParallelism());
}

async function checkAndPrint(
	imagePath: string,
	image: OpenedImage,
	writer: FindingsWriter,
	settings: Settings,
): Promise<number> {
	const bar = new ProgressBar();
	const interruption = new AbortController();
	let status = 130;
	let count = 0;
	const onSignal = (name: NodeJS.Signals) => {
		status = name === 'SIGTERM' ? 143 : 130;
		interruption.abort();
	};
	process.on('SIGINT', onSignal);
	process.on('SIGTERM', onSignal);
	try {
		flushOutput(); // How a document begins: whoever reads it knows that the check does.
		const summary: CheckSummary = await runEngine(image, {
			maxFindings: settings.maxFindings,
			jobs: jobsFor(image, settings),
			signal: interruption.signal,
			onFindings: findings => {
				bar.clear();
				for (const finding of findings) writer.finding(finding);
				count += findings.length;
				flushOutput();
			},
			onProgress: progress => bar.update(progress),
		});
		bar.clear();
		writer.end(summary);
		flushOutput(); // While a signal still lets us: a document is never left open.
		return statusOf(summary);
	} catch (error) {
		bar.clear();
		if (!(error instanceof Interrupted)) throw error;
		writer.end(undefined);
		flushOutput();
		log.error(
			`${imagePath}: interrupted; ${countOf(count, 'finding')} so far, and nothing was changed`,
		);
		return status;
	} finally {
		process.off('SIGINT', onSignal);
		process.off('SIGTERM', onSignal);
	}
}
