/** What a handful of samples says. Pure. */

export type Summary = {
	readonly median: number;
	readonly min: number;
	readonly max: number;
};

/** The middle one, or the mean of the two in the middle. Throws `RangeError` for no samples. */
export function medianOf(samples: readonly number[]): number {
	const sorted = samples.toSorted((a, b) => a - b);
	const upper = sorted[Math.floor(sorted.length / 2)];
	const lower = sorted[Math.ceil(sorted.length / 2) - 1];
	if (upper === undefined || lower === undefined) throw new RangeError('a median of no samples');
	return (lower + upper) / 2;
}

/** Throws `RangeError` for no samples. */
export function summarize(samples: readonly number[]): Summary {
	return {median: medianOf(samples), min: Math.min(...samples), max: Math.max(...samples)};
}

/** Throws `RangeError` for no values. */
export function geometricMeanOf(values: readonly number[]): number {
	if (values.length === 0) throw new RangeError('a mean of no values');
	return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

// Student's t for 95 %, two-sided, by degrees of freedom from 1.
const studentT = [
	12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
	2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048,
	2.045,
];
const normal = 1.96;

/** The mean and its 95 % interval. Throws `RangeError` for fewer than two samples. */
export function meanWithInterval(samples: readonly number[]): {
	readonly mean: number;
	readonly low: number;
	readonly high: number;
} {
	const count = samples.length;
	if (count < 2) throw new RangeError('an interval of fewer than two samples');
	const mean = samples.reduce((sum, sample) => sum + sample, 0) / count;
	const squares = samples.reduce((sum, sample) => sum + (sample - mean) ** 2, 0);
	const t = studentT[count - 2] ?? normal;
	const half = t * Math.sqrt(squares / (count - 1) / count);
	return {mean, low: mean - half, high: mean + half};
}
