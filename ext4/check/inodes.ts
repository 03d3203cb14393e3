/**
 * Pass 1, inodes: every inode and the blocks that it leads to. First all inode tables, by ranges of
 * groups which workers can share; then what several inodes may share: blocks of attributes and
 * inodes that hold their values; then, if any, blocks that several claim.
 */

import {checkAttributeBlocks} from './attribute-blocks.ts';
import type {CheckJobs} from './check.ts';
import {tellClaimedTwice} from './claimed-twice.ts';
import {DirectoryTable} from './directory-table.ts';
import {policies} from './encryption-policy.ts';
import {addUsage, type Harvest, policyWidth} from './harvest.ts';
import {checkHeldValues} from './held-values.ts';
import {InodeScan} from './inode-scan.ts';
import {release} from './number-list.ts';
import type {CheckState, Totals, UsageKind} from './state.ts';

/** Pieces a worker; several each, as some groups have more in them than others. */
const tasksPerJob = 8;

export function* checkInodes(state: CheckState, jobs: CheckJobs | undefined): Generator<void> {
	const harvests: Harvest[] = [];
	if (jobs === undefined || jobs.count < 2) yield* scanHere(state, harvests);
	else yield* scanByWorkers(state, jobs, harvests);
	for (const harvest of harvests) mergeCounts(state, harvest);
	state.directories = new DirectoryTable(harvests);
	for (const {directories, directoryRuns} of harvests) {
		release(directories);
		release(directoryRuns);
	}
	yield;
	gatherPolicies(state, harvests);
	const held = yield* checkAttributeBlocks(state, harvests);
	yield* checkHeldValues(state, harvests, held);
	checkPolicies(state, harvests);
	// With shared_blocks, which only reading systems use, files may share them.
	if (state.claims.hasTwice && !state.features.has('shared_blocks')) yield* tellClaimedTwice(state);
}

function* scanHere(state: CheckState, harvests: Harvest[]): Generator<void> {
	const scan = new InodeScan(state);
	let done = 0;
	for (const count of scan.run(0, state.geometry.groupCount)) {
		done += count;
		state.setProgress(done, state.inodes.slotCount);
		yield;
	}
	harvests.push(scan.finish());
}

/** Ranges of groups with about as many inodes each. */
export function rangesOf(state: CheckState, count: number): {from: number; to: number}[] {
	const {groupCount} = state.geometry;
	const wanted = Math.max(1, Math.ceil(state.inodes.slotCount / count));
	const ranges: {from: number; to: number}[] = [];
	let from = 0;
	let slots = 0;
	for (let group = 0; group < groupCount; group++) {
		slots += state.inodes.slotsOfGroup(group).count;
		if (slots < wanted && group + 1 < groupCount) continue;
		ranges.push({from, to: group + 1});
		from = group + 1;
		slots = 0;
	}
	return ranges;
}

function* scanByWorkers(state: CheckState, jobs: CheckJobs, harvests: Harvest[]): Generator<void> {
	const ranges = rangesOf(state, jobs.count * tasksPerJob);
	const tasks = ranges.map(({from, to}) => ({pass: 'inodes', from, to}) as const);
	let done = 0;
	for (const result of jobs.run(state.share(), tasks)) {
		state.adopt(result.findings, result.counts);
		for (const {why} of result.givenUp) state.giveUp(why);
		harvests.push(result.data as Harvest); // What `runCheckTask` gives for this pass.
		state.setProgress(++done, tasks.length);
		yield;
	}
}

function gatherPolicies(state: CheckState, harvests: readonly Harvest[]): void {
	if (harvests.every(harvest => harvest.policies.length === 0)) return;
	state.policies = new Uint32Array(state.inodes.slotCount);
	for (const {policies: rows} of harvests) {
		for (let at = 0; at < rows.length; at += policyWidth) {
			state.policies[state.inodes.slotOf(rows[at] ?? 0)] = rows[at + 1] ?? 0;
		}
	}
}

/** Whether each inode that is marked as encrypted says how, in itself or in a block of attributes. */
function checkPolicies(state: CheckState, harvests: readonly Harvest[]): void {
	for (const {policies: rows} of harvests) {
		for (let at = 0; at < rows.length; at += policyWidth) {
			const inode = rows[at] ?? 0;
			const policy = state.policies[state.inodes.slotOf(inode)];
			if (policy === policies.none) state.report('CHECK_ENCRYPTION_CONTEXT_MISSING', {inode});
			if (policy === policies.corrupt) state.report('CHECK_ENCRYPTION_CONTEXT', {inode});
		}
	}
}

function mergeCounts(state: CheckState, harvest: Harvest): void {
	for (const name of Object.keys(harvest.totals) as (keyof Totals)[]) {
		state.totals[name] += harvest.totals[name];
	}
	for (const kind of ['user', 'group', 'project'] as UsageKind[]) {
		for (const [owner, {bytes, inodes}] of harvest.usage[kind]) {
			addUsage(state.usage[kind], owner, bytes, inodes);
		}
	}
}
