/**
 * `npm run bench`: the same work on the kernel's ext4, on fuse2fs and on ext4box, and `ext4box check`
 * beside e2fsck. Prints a Markdown table and leaves it, and every sample, in results/.
 */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import {parseArgs} from 'node:util';
import {
	type CheckLine,
	type CheckWork,
	checkingPrograms,
	checkWorks,
	measureChecking,
	quickCheckWorks,
} from './checking.ts';
import {isInstalled, StoppedError, stopCommands} from './command.ts';
import {fullImage, type ImageParameters, prepareImage, quickImage} from './image.ts';
import {describeMachine} from './machine.ts';
import {measure} from './measure.ts';
import {readWorkloads} from './read-workloads.ts';
import {type Report, type ReportedLine, reportLine} from './report.ts';
import {RequestCounter} from './requests.ts';
import {prepareSources, projectPackage, type Sources, sourcesIn} from './sources.ts';
import {
	type System,
	type SystemName,
	systemNames,
	systemOf,
	usualSystems,
	whyMissing,
} from './systems.ts';
import {toMarkdown} from './table.ts';
import type {Workload} from './workload.ts';
import {writeWorkloads} from './write-workloads.ts';

const usage = `Usage: npm run bench -- [options]

  --runs N          samples of each system at each work (default 5; 3 with --quick)
  --quick           a small image and few runs: to see that it works
  --only PATTERN    the works whose name matches this regular expression, case aside; "^check" for
                    the checker beside e2fsck alone
  --systems LIST    some of ${systemNames.join(',')} (default ${usualSystems.join(',')});
                    ext4box,unsandboxed tells what the sandbox costs
  --work DIR        where the work image is kept (default ${defaultWorkDirectory()})
  --image FILE      the work image itself; made there unless it was before
  --out DIR         where bench.md and bench.json go (default results)
  --list            names the works and ends

Needs root (loop mounts, and dropping the page cache for what is called cold), and find, grep, dd,
fio, git, tar, make, mkfs.ext4 and dumpe2fs, for the checker e2fsck and GNU time; for what is compiled, Debian's ${projectPackage}.
`;

/** Something is missing that can't be measured without. */
class BenchError extends Error {}
class UsageError extends Error {}

type Options = {
	readonly runs: number;
	readonly parameters: ImageParameters;
	readonly systems: readonly System[];
	readonly workloads: readonly Workload[];
	readonly checks: readonly CheckWork[];
	readonly image: string;
	readonly sources: Sources;
	readonly outDirectory: string;
};

function defaultWorkDirectory(): string {
	return path.join(os.tmpdir(), 'ext4box-bench');
}

function parseArguments() {
	try {
		return parseArgs({
			options: {
				runs: {type: 'string'},
				quick: {type: 'boolean', default: false},
				only: {type: 'string', default: ''},
				systems: {type: 'string', default: usualSystems.join(',')},
				work: {type: 'string', default: defaultWorkDirectory()},
				image: {type: 'string'},
				out: {type: 'string', default: path.resolve(import.meta.dirname, '../../results')},
				list: {type: 'boolean', default: false},
				help: {type: 'boolean', default: false},
			},
		}).values;
	} catch (error) {
		throw new UsageError(error instanceof Error ? error.message : String(error));
	}
}

function readOptions(): Options | undefined {
	const values = parseArguments();
	const parameters = values.quick ? quickImage : fullImage;
	const pattern = new RegExp(values.only, 'i');
	const {largeFileBytes} = parameters;
	const image = path.resolve(
		values.image ?? path.join(values.work, values.quick ? 'quick.img' : 'full.img'),
	);
	const sources = sourcesIn(path.dirname(image));
	const all = [...readWorkloads(largeFileBytes), ...writeWorkloads(largeFileBytes, sources)];
	const workloads = all.filter(({name}) => pattern.test(name));
	const checks = (values.quick ? quickCheckWorks : checkWorks).filter(({name}) =>
		pattern.test(name),
	);
	if (values.help || values.list) {
		const names = [...workloads, ...checks].map(one => one.name);
		process.stdout.write(values.help ? usage : `${names.join('\n')}\n`);
		return undefined;
	}
	if (workloads.length + checks.length === 0)
		throw new UsageError(`no work is called ${values.only}; see --list`);
	const runs = Number(values.runs ?? (values.quick ? 3 : 5));
	if (!Number.isInteger(runs) || runs < 1) throw new UsageError('--runs wants a number from 1');
	return {
		runs,
		parameters,
		workloads,
		checks,
		systems: values.systems.split(',').map(parseSystem),
		image,
		sources,
		outDirectory: values.out,
	};
}

function parseSystem(text: string): System {
	const name = systemNames.find((one): one is SystemName => one === text);
	if (name === undefined) throw new UsageError(`no system is called ${text}; see --help`);
	return systemOf(name);
}

/** Everything without which figures would be missing or untrue is asked for before any is taken. */
function assertCanMeasure({systems, workloads, checks}: Options): void {
	if (process.getuid?.() !== 0) {
		throw new BenchError(
			'this needs root: the kernel mounts images for root alone, and only root may drop the ' +
				'page cache',
		);
	}
	const hasWorks = workloads.length > 0;
	const reasons = hasWorks ? systems.flatMap(system => whyMissing(system) ?? []) : [];
	const ofWorks = ['find', 'grep', 'dd', 'fio', 'git', 'tar', 'make', 'mkfs.ext4', 'dumpe2fs'];
	const programs = [...(hasWorks ? ofWorks : []), ...(checks.length > 0 ? checkingPrograms : [])];
	for (const program of programs) {
		if (!isInstalled(program)) reasons.push(`${program} is not installed`);
	}
	if (reasons.length > 0) throw new BenchError(reasons.join('; '));
}

/** Returns the exit status. */
async function main(): Promise<number> {
	const options = readOptions();
	if (options === undefined) return 0;
	assertCanMeasure(options);
	fs.mkdirSync(path.dirname(options.image), {recursive: true});
	using stack = new DisposableStack();
	const runDirectory = fs.mkdtempSync(path.join(path.dirname(options.image), 'run-'));
	stack.defer(() => removeRunDirectory(runDirectory));
	const machine = describeMachine();
	const hasWorks = options.workloads.length > 0;
	const features = hasWorks
		? await prepareImage(options.image, options.parameters, runDirectory)
		: undefined;
	if (options.workloads.some(workload => workload.writes)) await prepareSources(options.sources);
	const counter = hasWorks ? RequestCounter.open(runDirectory) : undefined;
	if (!hasWorks) warn('only the checker is measured');
	else if (counter === undefined) warn('this kernel has no tracepoint to count requests with');
	else stack.use(counter);

	const systems = await Promise.all(
		(hasWorks ? options.systems : []).map(async ({name, version, command}) => {
			return {name, version: await version(), command: command.map(word => path.basename(word))};
		}),
	);
	const lines: ReportedLine[] = [];
	const checking: CheckLine[] = [];
	const report = (): Report => ({
		date: new Date().toISOString(),
		machine,
		image: features === undefined ? null : {parameters: options.parameters, features},
		systems,
		runs: options.runs,
		lines,
		checking,
	});
	for (const workload of options.workloads) {
		lines.push(reportLine(await measure(workload, {...options, runDirectory, counter})));
		warn(summaryOf(lines.at(-1)));
		// After each line: whoever stops the bench keeps what it has measured.
		writeReport(report(), options.outDirectory);
	}
	for (const check of options.checks) {
		checking.push(...measureChecking(check, options.runs, path.dirname(options.image)));
		warn(`${check.name}: measured`);
		writeReport(report(), options.outDirectory);
	}
	process.stdout.write(`${toMarkdown(report())}\n`);
	return lines.some(line => line.outcomes.some(one => one.failure !== null)) ? 1 : 0;
}

function writeReport(report: Report, directory: string): void {
	fs.mkdirSync(directory, {recursive: true});
	fs.writeFileSync(path.join(directory, 'bench.json'), `${JSON.stringify(report, null, '\t')}\n`);
	fs.writeFileSync(path.join(directory, 'bench.md'), `${toMarkdown(report)}\n`);
}

function summaryOf(line: ReportedLine | undefined): string {
	const parts = line?.outcomes.map(one => {
		return `${one.system} ${one.seconds?.median.toFixed(3) ?? `failed: ${one.failure}`}`;
	});
	return `${line?.name}: ${parts?.join(', ')}`;
}

/** Not recursive: what is still mounted below must not be emptied. */
function removeRunDirectory(directory: string): void {
	for (const name of fs.readdirSync(directory)) fs.rmdirSync(path.join(directory, name));
	fs.rmdirSync(directory);
}

function warn(text: string): void {
	process.stderr.write(`bench: ${text}\n`);
}

function statusOf(error: unknown): number {
	if (error instanceof UsageError) return 2;
	return error instanceof StoppedError ? 130 : 1;
}

/** A failed clean-up wraps the error before it, and printing it shows neither. */
function printAll(error: unknown): void {
	console.error(error);
	if (!(error instanceof SuppressedError)) return;
	printAll(error.error);
	printAll(error.suppressed);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stopCommands);
try {
	process.exitCode = await main();
} catch (error) {
	process.exitCode = statusOf(error);
	if (process.exitCode === 1 && !(error instanceof BenchError)) printAll(error);
	else warn(error instanceof Error ? error.message : String(error));
}
