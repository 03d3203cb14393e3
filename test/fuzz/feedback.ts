/** Which inputs reached what none before them did. */
import {counterFiles, counters} from './instrument.ts';

/** Four classes of how often a branch was taken: once, a few times, many, very many. */
function classOf(count: number): number {
	if (count === 0) return 0;
	if (count === 1) return 1;
	if (count < 16) return 2;
	return count < 256 ? 4 : 8;
}

export type News = {
	/** Branches that nothing had taken before. */
	readonly branches: number;
	/** Branches that were taken, but never this often or this seldom. */
	readonly frequencies: number;
};

/** Counts of one drive; the drives do not learn from one another. */
export class Feedback {
	readonly #seen = new Uint8Array(counters.length);

	/** To be called before an input is run. */
	static begin(): void {
		counters.fill(0, 0, counterFiles.length);
	}

	/** What the input that has just been run brought. */
	take(): News {
		let branches = 0;
		let frequencies = 0;
		for (let index = 0; index < counterFiles.length; index++) {
			const count = counters[index] ?? 0;
			if (count === 0) continue;
			const before = this.#seen[index] ?? 0;
			const now = before | classOf(count);
			if (now === before) continue;
			if (before === 0) branches++;
			else frequencies++;
			this.#seen[index] = now;
		}
		return {branches, frequencies};
	}

	/** Indices of the branches that were taken. */
	branches(): number[] {
		const taken: number[] = [];
		this.#seen.forEach((classes, index) => {
			if (classes !== 0) taken.push(index);
		});
		return taken;
	}
}
