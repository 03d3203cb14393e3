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

/**
 * The median of the ratios taken round by round: two systems of one round ran next to each other,
 * so what disturbs the machine for a while disturbs both. Samples of a lone round are left out.
 */
export function pairedRatio(samples: readonly number[], base: readonly number[]): number {
	const ratios: number[] = [];
	for (const [round, sample] of samples.entries()) {
		const beside = base[round];
		if (beside !== undefined && beside > 0) ratios.push(sample / beside);
	}
	return medianOf(ratios);
}
