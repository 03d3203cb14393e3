/** What the sandbox costs, from systems that took turns with it and without. Pure. */
import type {Report} from './report.ts';
import {geometricMeanOf, meanWithInterval} from './statistics.ts';

export type SandboxCost = {
	/** Time with the sandbox in multiples of the time without. */
	readonly ratio: number;
	/** The 95 % interval. */
	readonly low: number;
	readonly high: number;
	readonly lineCount: number;
	readonly roundCount: number;
};

/** Undefined where it was not measured both ways, or in fewer than two rounds. */
export function sandboxCost(report: Report): SandboxCost | undefined {
	const lines = report.lines.flatMap(({outcomes}) => {
		const inside = outcomes.find(one => one.system === 'ext4box')?.seconds?.samples;
		const outside = outcomes.find(one => one.system === 'unsandboxed')?.seconds?.samples;
		return inside === undefined || outside === undefined ? [] : [{inside, outside}];
	});
	const roundCount = Math.min(
		...lines.map(({inside, outside}) => Math.min(inside.length, outside.length)),
	);
	if (lines.length === 0 || roundCount < 2) return undefined;
	const logs = Array.from({length: roundCount}, (_, round) =>
		Math.log(
			geometricMeanOf(
				lines.map(
					({inside, outside}) => (inside[round] ?? Number.NaN) / (outside[round] ?? Number.NaN),
				),
			),
		),
	);
	const {mean, low, high} = meanWithInterval(logs);
	return {
		ratio: Math.exp(mean),
		low: Math.exp(low),
		high: Math.exp(high),
		lineCount: lines.length,
		roundCount,
	};
}
