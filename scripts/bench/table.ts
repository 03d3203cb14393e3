/** The report as Markdown. Pure. */
import {aimOutcomes} from './aims.ts';
import type {Report, ReportedLine, ReportedOutcome} from './report.ts';
import {sandboxCost} from './sandbox-cost.ts';

export function toMarkdown(report: Report): string {
	return [
		'# Bench',
		describeRun(report),
		...(report.lines.length === 0 ? [] : works(report)),
		...(report.checking.length === 0 ? [] : checking(report)),
		...failures(report),
	].join('\n\n');
}

function works(report: Report): string[] {
	const aims = aimOutcomes(report);
	return [
		'## Time',
		`Medians of ${report.runs}, in seconds; × is ext4box's time in multiples of the other's.`,
		table(
			['work', ...report.systems.map(system => system.name), '× kernel', '× fuse2fs'],
			report.lines.map(line => timeRow(line, report)),
		),
		'## Servers',
		"Requests of one run, as the kernel sent them (FORGET aside); medians of the server's user " +
			'and system time; the most memory resident in any run.',
		table(
			['work', 'server', 'requests', 'by opcode', 'CPU s', 'peak MiB'],
			report.lines.flatMap(line => line.outcomes.filter(isServed).map(one => serverRow(line, one))),
		),
		...(aims.length === 0 ? [] : ['## Aims', table(['work', 'aim', 'measured', ''], aims)]),
		...sandbox(report),
	];
}

/** Of e2fsck's time, with the memory of both; the aims are those of two jobs, warm. */
function checking({checking: lines, runs}: Report): string[] {
	const rows = lines.flatMap(({name, cold, outcomes}) => {
		const base = outcomes.find(({checker}) => checker.startsWith('e2fsck'));
		return outcomes.map(({checker, seconds, cpuSeconds, peakBytes}) => [
			`${name}, ${cold ? 'cold' : 'warm'}`,
			checker,
			withDigits(seconds.median),
			base === undefined ? '–' : (seconds.median / base.seconds.median).toFixed(2),
			withDigits(cpuSeconds.median),
			(peakBytes.max / 1024 ** 2).toFixed(0),
		]);
	});
	return [
		'## Checking',
		`Medians of ${runs}, in seconds; × is the time in multiples of e2fsck's. The checkers take turns.`,
		table(['image', 'checker', 'seconds', '× e2fsck', 'CPU s', 'peak MiB'], rows),
	];
}

function describeRun({machine, image, systems, date}: Report): string {
	const gibibytes = (machine.memoryBytes / 1024 ** 3).toFixed(1);
	const about =
		`${date}; ${machine.kernel}, ${machine.cpuCount} × ${machine.cpuModel}, ${gibibytes} GiB, ` +
		`Node ${machine.node}; load before: ${machine.loadBefore.toFixed(2)}.`;
	if (image === null) return about;
	const {parameters} = image;
	return [
		about,
		`The image: ${parameters.files} small files in ${parameters.directories} directories and one ` +
			`of ${parameters.largeFileBytes / 1024 ** 2} MiB; ${image.features}.`,
		'Cold: a fresh mount, then `sync; echo 3 > /proc/sys/vm/drop_caches`. The image is a file on ' +
			"this machine's disk: dropping empties the page cache of that, too, but not the caches of " +
			'the disk, or of the host where the machine is virtual. Warm: the same work was done once ' +
			'before, on the mount that serves all runs. The systems take turns.',
		'What writes starts each run with an empty file system of 4 GiB, freshly made and mounted, and ' +
			'cold; its time ends with the command, not when all is on the disk, but where fsync is said.',
		...systems.map(({name, version, command}) => `${name}: ${version}, \`${command.join(' ')}\`.`),
	].join('\n\n');
}

function timeRow(line: ReportedLine, report: Report): string[] {
	const times = report.systems.map(system => {
		const seconds = secondsOf(line, system.name);
		return seconds === undefined ? '–' : withDigits(seconds);
	});
	return [line.name, ...times, ratio(line, 'kernel'), ratio(line, 'fuse2fs')];
}

function ratio(line: ReportedLine, against: string): string {
	const own = secondsOf(line, 'ext4box');
	const base = secondsOf(line, against);
	return own === undefined || base === undefined ? '–' : (own / base).toFixed(2);
}

function secondsOf(line: ReportedLine, system: string): number | undefined {
	return line.outcomes.find(one => one.system === system)?.seconds?.median;
}

function isServed(outcome: ReportedOutcome): boolean {
	return outcome.system !== 'kernel';
}

function serverRow(line: ReportedLine, outcome: ReportedOutcome): string[] {
	const {requests, cpuSeconds, peakBytes} = outcome;
	const counts = Object.entries(requests ?? {});
	const total = counts.reduce((sum, [, count]) => sum + count, 0);
	return [
		line.name,
		outcome.system,
		requests === null ? '–' : String(total),
		counts.map(([opcode, count]) => `${opcode} ${count}`).join(', ') || '–',
		cpuSeconds === null ? '–' : cpuSeconds.median.toFixed(2),
		peakBytes === null ? '–' : (peakBytes.max / 1024 ** 2).toFixed(0),
	];
}

function sandbox(report: Report): string[] {
	const cost = sandboxCost(report);
	if (cost === undefined) return [];
	const percent = (ratio: number) => `${((ratio - 1) * 100).toFixed(1)} %`;
	return [
		'## Sandbox',
		`ext4box takes ${percent(cost.ratio)} more time than without its sandbox: the geometric mean ` +
			`over ${cost.lineCount} works of the ratios round by round, ${cost.roundCount} rounds; ` +
			`95 % interval ${percent(cost.low)} to ${percent(cost.high)}.`,
	];
}

function failures(report: Report): string[] {
	const failed = report.lines.flatMap(line =>
		line.outcomes
			.filter(one => one.failure !== null)
			.map(one => `- ${line.name}, ${one.system}: ${one.failure}`),
	);
	return failed.length === 0 ? [] : ['## Failures', failed.join('\n')];
}

/** Three digits that count, and no more than milliseconds have. */
function withDigits(seconds: number): string {
	return seconds >= 10 ? seconds.toFixed(1) : seconds.toFixed(seconds >= 1 ? 2 : 3);
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
	const toLine = (cells: readonly string[]) =>
		`| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
	return [toLine(heads), toLine(heads.map(() => '---')), ...rows.map(toLine)].join('\n');
}
