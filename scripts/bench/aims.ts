/** Which aims were reached. A report, not a test: nothing fails by being slow. Pure. */
import type {Report, ReportedLine} from './report.ts';
import type {Aim} from './workload.ts';

const residentBytesMax = 150 * 1024 ** 2;

/** Rows of a table: the work, what was aimed for, what was measured, whether that reaches it. */
export type AimOutcome = readonly [work: string, aim: string, measured: string, verdict: string];

/** Leaves out the aims for which something was not measured. */
export function aimOutcomes(report: Report): AimOutcome[] {
	const outcomes = report.lines.flatMap(line =>
		line.aims.map(aim => judge(line, aim)).filter(outcome => outcome !== undefined),
	);
	const peaks = report.lines.flatMap(line => outcomeOf(line, 'ext4box')?.peakBytes?.max ?? []);
	if (peaks.length === 0) return outcomes;
	const peak = Math.max(...peaks);
	const measured = `${(peak / 1024 ** 2).toFixed(0)} MiB`;
	const isReached = peak <= residentBytesMax;
	return [...outcomes, ['memory, any work', '≤ 150 MiB', measured, verdict(isReached)]];
}

function judge(line: ReportedLine, aim: Aim): AimOutcome | undefined {
	const own = outcomeOf(line, 'ext4box')?.seconds?.median;
	if (own === undefined) return undefined;
	switch (aim.kind) {
		case 'seconds':
			return [line.name, `≤ ${aim.atMost} s`, `${own.toFixed(3)} s`, verdict(own <= aim.atMost)];
		case 'ratio': {
			const base = outcomeOf(line, aim.against)?.seconds?.median;
			if (base === undefined) return undefined;
			const ratio = own / base;
			const wanted = `≤ ${aim.atMost} × ${aim.against}`;
			return [line.name, wanted, ratio.toFixed(2), verdict(ratio <= aim.atMost)];
		}
	}
}

function outcomeOf(line: ReportedLine, system: string) {
	return line.outcomes.find(outcome => outcome.system === system);
}

function verdict(isReached: boolean): string {
	return isReached ? 'reached' : '**short**';
}
