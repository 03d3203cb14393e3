import test from 'ava';
import type {Report} from '../../../scripts/bench/report.ts';
import {sandboxCost} from '../../../scripts/bench/sandbox-cost.ts';

function reportOf(lines: {[system: string]: readonly number[]}[]): Report {
	return {
		lines: lines.map(samples => ({
			outcomes: Object.entries(samples).map(([system, each]) => ({
				system,
				seconds: {samples: each},
			})),
		})),
	} as unknown as Report;
}

test('what slows down both ways of a round is not the cost of the sandbox', t => {
	const cost = sandboxCost(
		reportOf([
			{ext4box: [1.1, 11, 2.2], unsandboxed: [1, 10, 2]},
			{ext4box: [3.3, 3.3, 33], unsandboxed: [3, 3, 30]},
		]),
	);
	t.like(cost, {lineCount: 2, roundCount: 3});
	for (const each of [cost?.ratio, cost?.low, cost?.high]) t.is(each?.toFixed(6), '1.100000');
});

test('lines that were not measured both ways are left out, and one round is not enough', t => {
	t.is(sandboxCost(reportOf([{ext4box: [1, 2]}, {unsandboxed: [1, 2]}])), undefined);
	t.is(sandboxCost(reportOf([{ext4box: [1], unsandboxed: [1]}])), undefined);
});
