import test from 'ava';
import type {Volume} from '../../ext4/index.ts';
import {Upkeep, type UpkeepOptions} from '../../src/upkeep.ts';

function makeUpkeep(options: Partial<UpkeepOptions> = {}) {
	const state = {isOpen: false, isWritable: true, commits: 0, now: 0, failures: [] as string[]};
	const transactions = {
		get isOpen() {
			return state.isOpen;
		},
		get isWritable() {
			return state.isWritable;
		},
		sync() {
			state.commits++;
			state.isOpen = false;
		},
	};
	const upkeep = new Upkeep({transactions} as unknown as Volume, {
		commitSeconds: 5,
		now: () => state.now,
		failed: (error, what) => state.failures.push(`${what}: ${error}`),
		...options,
	});
	return {state, transactions, upkeep};
}

test('nothing is waited for while nothing has changed', t => {
	t.is(makeUpkeep().upkeep.tick(), undefined);
});

test('a change is committed when it is as old as commit= says, whatever follows it', t => {
	const {state, upkeep} = makeUpkeep();
	state.isOpen = true;
	t.is(upkeep.tick(), 5000);
	state.now = 3000;
	t.is(upkeep.tick(), 2000);
	state.now = 5000;
	t.is(upkeep.tick(), undefined);
	t.is(state.commits, 1);
	state.isOpen = true;
	state.now = 9000;
	t.is(upkeep.tick(), 5000);
});

test('an fsync in between starts the time anew', t => {
	const {state, upkeep} = makeUpkeep();
	state.isOpen = true;
	upkeep.tick();
	state.isOpen = false;
	state.now = 4000;
	t.is(upkeep.tick(), undefined);
	state.isOpen = true;
	t.is(upkeep.tick(), 5000);
	t.is(state.commits, 0);
});

test('a commit that fails is told once', t => {
	const {state, transactions, upkeep} = makeUpkeep();
	transactions.sync = () => {
		state.isWritable = false;
		throw new Error('no device');
	};
	state.isOpen = true;
	upkeep.tick();
	state.now = 6000;
	t.is(upkeep.tick(), undefined);
	state.now = 60_000;
	t.is(upkeep.tick(), undefined);
	t.deepEqual(state.failures, ['commit: Error: no device']);
});

test('signs of life come by their own interval, until one fails', t => {
	let beats = 0;
	const beat = () => {
		if (++beats === 3) throw new Error('taken');
		return 2;
	};
	const {state, upkeep} = makeUpkeep({beat});
	t.is(upkeep.tick(), 2000);
	state.now = 1500;
	t.is(upkeep.tick(), 500);
	state.now = 2500;
	t.is(upkeep.tick(), 2000);
	state.now = 4500;
	t.is(upkeep.tick(), undefined);
	t.is(beats, 3);
	t.deepEqual(state.failures, ['MMP: Error: taken']);
});
