import test from 'ava';
import {
	geometricMeanOf,
	meanWithInterval,
	medianOf,
	summarize,
} from '../../../scripts/bench/statistics.ts';

test('the median of an odd number of samples is the middle one', t => {
	t.is(medianOf([9, 1, 5]), 5);
	t.is(medianOf([100, 20, 3, 1, 30]), 20);
});

test('the median of an even number of samples lies between the two in the middle', t => {
	t.is(medianOf([4, 1, 2, 100]), 3);
});

test('no samples have no median', t => {
	t.throws(() => medianOf([]), {instanceOf: RangeError});
});

test('a summary keeps the extremes', t => {
	t.deepEqual(summarize([3, 1, 2]), {median: 2, min: 1, max: 3});
});

test('a geometric mean takes a doubling and a halving for nothing', t => {
	t.is(geometricMeanOf([2, 0.5]), 1);
	t.throws(() => geometricMeanOf([]), {instanceOf: RangeError});
});

test("a mean's interval is that of Student's t", t => {
	const {mean, low, high} = meanWithInterval([1, 2, 3, 4, 5]);
	t.is(mean, 3);
	// 2.776 × √2.5 ÷ √5
	t.true(Math.abs(high - 4.963) < 0.001, String(high));
	t.true(Math.abs(low - 1.037) < 0.001, String(low));
	t.throws(() => meanWithInterval([1]), {instanceOf: RangeError});
});
