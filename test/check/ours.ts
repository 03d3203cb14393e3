/** Our checker as a library call, and its verdict. */
import {type CheckSummary, check} from '../../ext4/check/check.ts';
import type {Finding} from '../../ext4/check/finding.ts';
import type {BlockDevice} from '../../ext4/device.ts';
import type {Verdict} from './e2fsck.ts';

export type OurVerdict = {
	readonly verdict: Verdict;
	readonly findings: readonly Finding[];
	/** Undefined where the call threw. */
	readonly summary: CheckSummary | undefined;
	/** Of the processor. */
	readonly milliseconds: number;
	/** What the call threw, which it must not. */
	readonly crash: string | undefined;
};

/** As the command's exit status: 0 well, 4 errors, 8 could not be checked. */
export function verdictOfSummary(summary: CheckSummary): Verdict {
	if (summary.outcome !== 'checked') return 8;
	if (summary.severities.error > 0) return 4;
	return summary.givenUp.length > 0 ? 8 : 0;
}

/** Findings beyond so many are only counted. */
const maxFindings = 2000;

export function runOurs(device: BlockDevice): OurVerdict {
	const started = process.cpuUsage();
	const findings: Finding[] = [];
	let summary: CheckSummary | undefined;
	let crash: string | undefined;
	try {
		const run = check(device, {maxFindings});
		let next = run.next();
		for (; next.done !== true; next = run.next()) findings.push(next.value);
		summary = next.value;
	} catch (error) {
		crash = error instanceof Error ? (error.stack ?? String(error)) : String(error);
	}
	const {user, system} = process.cpuUsage(started);
	return {
		verdict: summary === undefined ? 8 : verdictOfSummary(summary),
		findings,
		summary,
		milliseconds: (user + system) / 1000,
		crash,
	};
}
