import test from 'ava';
import fc from 'fast-check';
import {LookupCounts} from '../../../src/filesystem/lookup-counts.ts';

// Few nodes, so that they meet; and some that share a home.
const node = fc.oneof(
	fc.integer({min: 1, max: 40}),
	fc.integer({min: 1, max: 40}).map(number => number * 4096),
	fc.integer({min: 1, max: 2 ** 32 - 1}),
);
const step = fc.oneof(
	{weight: 3, arbitrary: fc.record({kind: fc.constant('look' as const), node})},
	{
		weight: 2,
		arbitrary: fc.record({
			kind: fc.constant('forget' as const),
			node,
			count: fc.integer({min: 1, max: 3}),
		}),
	},
);

test('counts are those of a Map', t => {
	fc.assert(
		fc.property(fc.array(step, {maxLength: 400}), steps => {
			const counts = new LookupCounts();
			const model = new Map<number, number>();
			for (const each of steps) {
				const before = model.get(each.node) ?? 0;
				if (each.kind === 'look') {
					counts.increment(each.node);
					model.set(each.node, before + 1);
				} else {
					const isGone = counts.decrease(each.node, each.count);
					if (before > each.count) model.set(each.node, before - each.count);
					else model.delete(each.node);
					t.is(isGone, !model.has(each.node));
				}
				t.is(counts.get(each.node), model.get(each.node) ?? 0);
			}
			t.is(counts.size, model.size);
			for (const [number, count] of model) t.is(counts.get(number), count);
		}),
	);
});

test('it grows with the kernel’s nodes and shrinks when they are forgotten', t => {
	const counts = new LookupCounts();
	for (let number = 1; number <= 50_000; number++) counts.increment(number);
	for (let number = 1; number <= 50_000; number += 2) t.true(counts.decrease(number, 1));
	t.is(counts.size, 25_000);
	for (let number = 1; number <= 50_000; number++) {
		if (counts.get(number) !== (number % 2 === 0 ? 1 : 0)) t.fail(`node ${number}`);
	}
	for (let number = 2; number <= 50_000; number += 2) counts.decrease(number, 1);
	t.is(counts.size, 0);
});
