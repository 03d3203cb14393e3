import test from 'ava';
import {aimOutcomes} from '../../../scripts/bench/aims.ts';
import {quickImage} from '../../../scripts/bench/image.ts';
import type {Outcome, Sample} from '../../../scripts/bench/measure.ts';
import {type Report, reportLine} from '../../../scripts/bench/report.ts';
import {countLines} from '../../../scripts/bench/requests.ts';
import type {SystemName} from '../../../scripts/bench/systems.ts';
import {toMarkdown} from '../../../scripts/bench/table.ts';
import type {Aim} from '../../../scripts/bench/workload.ts';

const mebibyte = 1024 ** 2;

function outcomeOf(system: SystemName, seconds: readonly number[], failure?: string): Outcome {
	const samples = seconds.map((each): Sample => {
		const server = {cpuSeconds: each / 10, peakBytes: 80 * mebibyte};
		return {seconds: each, server: system === 'kernel' ? undefined : server};
	});
	const requests = system === 'kernel' ? undefined : {READ: 30, LOOKUP: 5};
	return {system, samples, requests, failure};
}

function reportOf(outcomes: readonly Outcome[], aims: readonly Aim[] = []): Report {
	const workload = {name: 'find (cold)', cold: true, aims, run: async () => 0};
	return {
		date: '2026-11-21T00:00:00.000Z',
		machine: {
			kernel: 'Linux 6.18',
			cpuModel: 'one of many',
			cpuCount: 2,
			memoryBytes: 8 * 1024 ** 3,
			node: 'v26.10.0',
			loadBefore: 0.1,
		},
		image: {parameters: quickImage, features: 'extent'},
		systems: outcomes.map(({system}) => ({name: system, version: '1', command: [system]})),
		runs: 3,
		lines: [reportLine({workload, outcomes})],
		checking: [],
	};
}

function rowsOf(markdown: string, start: string): string[] {
	return markdown.split('\n').filter(line => line.startsWith(start));
}

const threeSystems = [
	outcomeOf('kernel', [0.1, 0.2, 0.3]),
	outcomeOf('fuse2fs', [4, 2, 3]),
	outcomeOf('ext4box', [0.5, 0.6, 0.4]),
];

test('a row has the medians and the ratios to both others', t => {
	const [row] = rowsOf(toMarkdown(reportOf(threeSystems)), '| find (cold)');
	t.is(row, '| find (cold) | 0.200 | 3.00 | 0.500 | 2.50 | 0.17 |');
});

test('a server has a row with its requests, CPU time and memory', t => {
	const rows = rowsOf(toMarkdown(reportOf(threeSystems)), '| find (cold) | fuse2fs');
	t.deepEqual(rows, ['| find (cold) | fuse2fs | 35 | READ 30, LOOKUP 5 | 0.30 | 80 |']);
});

test('a system that is not measured leaves dashes, and no aims', t => {
	const report = reportOf(threeSystems.slice(0, 2), [
		{kind: 'ratio', against: 'fuse2fs', atMost: 0.4},
	]);
	const markdown = toMarkdown(report);
	t.deepEqual(rowsOf(markdown, '| find (cold) | 0'), ['| find (cold) | 0.200 | 3.00 | – | – |']);
	t.false(markdown.includes('## Aims'));
});

test('a system that fails has no time, and its reason is told', t => {
	const failed = outcomeOf('ext4box', [0.5], '"find" ended with 1: Input/output error');
	const markdown = toMarkdown(reportOf([...threeSystems.slice(0, 2), failed]));
	t.deepEqual(rowsOf(markdown, '| find (cold) | 0'), [
		'| find (cold) | 0.200 | 3.00 | – | – | – |',
	]);
	t.true(markdown.includes('- find (cold), ext4box: "find" ended with 1: Input/output error'));
});

test('an aim is reached or short by the ratio of the medians', t => {
	const outcomes = aimOutcomes(
		reportOf(threeSystems, [
			{kind: 'ratio', against: 'fuse2fs', atMost: 0.4},
			{kind: 'ratio', against: 'kernel', atMost: 1.1},
			{kind: 'seconds', atMost: 0.3},
		]),
	);
	t.deepEqual(outcomes, [
		['find (cold)', '≤ 0.4 × fuse2fs', '0.17', 'reached'],
		['find (cold)', '≤ 1.1 × kernel', '2.50', '**short**'],
		['find (cold)', '≤ 0.3 s', '0.500 s', '**short**'],
		['memory, any work', '≤ 150 MiB', '80 MiB', 'reached'],
	]);
});

test('requests are counted by opcode from what the tracepoint prints', t => {
	const trace = [
		'# tracer: nop',
		' find-1 [000] ..... 1.0: fuse_request_send: connection 39 req 2 opcode 1 (FUSE_LOOKUP) len 48 ',
		' find-1 [001] ..... 1.1: fuse_request_send: connection 39 req 4 opcode 44 (FUSE_READDIRPLUS) len 80 ',
		' find-1 [001] ..... 1.2: fuse_request_send: connection 39 req 6 opcode 1 (FUSE_LOOKUP) len 48 ',
		' find-1 [001] ..... 1.3: fuse_request_send: connection 39 req 8 opcode 99 (0x63) len 48 ',
	].join('\n');
	t.deepEqual(countLines(trace), {LOOKUP: 2, READDIRPLUS: 1, '99': 1});
});

test('what only the checker was measured for has a table of its own, in multiples of e2fsck', t => {
	const one = (median: number) => ({median, min: median, max: median});
	const outcomeOfChecker = (checker: string, seconds: number, mebibytes: number) => ({
		checker,
		seconds: one(seconds),
		cpuSeconds: one(seconds * 2),
		peakBytes: one(mebibytes * mebibyte),
	});
	const outcomes = [
		outcomeOfChecker('e2fsck -fn', 1.5, 17),
		outcomeOfChecker('ext4box check --jobs 2', 1.2, 150),
	];
	const checking = [{name: 'check a lot', cold: false, outcomes}];
	const markdown = toMarkdown({...reportOf([]), image: null, systems: [], lines: [], checking});
	t.deepEqual(rowsOf(markdown, '| check a lot'), [
		'| check a lot, warm | e2fsck -fn | 1.50 | 1.00 | 3.00 | 17 |',
		'| check a lot, warm | ext4box check --jobs 2 | 1.20 | 0.80 | 2.40 | 150 |',
	]);
	t.notRegex(markdown, /## Time|The image:/);
});
