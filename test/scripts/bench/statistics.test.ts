import test from 'ava';
import {medianOf, pairedRatio, summarize} from '../../../scripts/bench/statistics.ts';

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

test('a paired ratio is not moved by a disturbance that both systems share', t => {
	t.is(pairedRatio([1, 50, 1, 1], [2, 100, 2, 2]), 0.5);
});

test('a paired ratio leaves out rounds that only one system finished', t => {
	t.is(pairedRatio([1, 1, 9], [2, 2]), 0.5);
});
