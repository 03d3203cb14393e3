/** What was measured, as results/bench.json has it. Pure. */
import type {CheckLine} from './checking.ts';
import type {ImageParameters} from './image.ts';
import type {Machine} from './machine.ts';
import type {Line, Outcome} from './measure.ts';
import type {RequestCounts} from './requests.ts';
import {type Summary, summarize} from './statistics.ts';
import type {SystemName} from './systems.ts';
import type {Aim} from './workload.ts';

export type Report = {
	readonly date: string;
	readonly machine: Machine;
	/** Null where only the checker was measured. */
	readonly image: {readonly parameters: ImageParameters; readonly features: string} | null;
	readonly systems: readonly ReportedSystem[];
	/** Samples of each system at each line. */
	readonly runs: number;
	readonly lines: readonly ReportedLine[];
	readonly checking: readonly CheckLine[];
};

export type ReportedSystem = {
	readonly name: SystemName;
	readonly version: string;
	readonly command: readonly string[];
};

export type ReportedLine = {
	readonly name: string;
	readonly cold: boolean;
	readonly aims: readonly Aim[];
	readonly outcomes: readonly ReportedOutcome[];
};

/** Null stands for what could not be measured. */
export type ReportedOutcome = {
	readonly system: SystemName;
	readonly seconds: (Summary & {readonly samples: readonly number[]}) | null;
	readonly cpuSeconds: Summary | null;
	readonly peakBytes: Summary | null;
	readonly requests: RequestCounts | null;
	readonly failure: string | null;
};

export function reportLine({workload, outcomes}: Line): ReportedLine {
	const {name, cold, aims} = workload;
	return {name, cold, aims, outcomes: outcomes.map(reportOutcome)};
}

function reportOutcome(outcome: Outcome): ReportedOutcome {
	const samples = outcome.samples.map(sample => sample.seconds);
	const usages = outcome.samples.flatMap(sample => sample.server ?? []);
	const isMeasured = samples.length > 0 && outcome.failure === undefined;
	const isWatched = isMeasured && usages.length === samples.length;
	return {
		system: outcome.system,
		seconds: isMeasured ? {...summarize(samples), samples} : null,
		cpuSeconds: isWatched ? summarize(usages.map(usage => usage.cpuSeconds)) : null,
		peakBytes: isWatched ? summarize(usages.map(usage => usage.peakBytes)) : null,
		requests: outcome.requests ?? null,
		failure: outcome.failure ?? null,
	};
}
