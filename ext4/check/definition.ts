/** What the tables of findings are made of. */

/**
 * - `error`: the file system is damaged; who checks it exits with 4.
 * - `warning`: no rule is broken, yet somebody should know.
 * - `note`: what could be better and costs nothing but time or room.
 *
 * Warnings and notes leave a file system clean.
 */
export type Severity = 'error' | 'warning' | 'note';

/** What can be told by ranges of numbers: fields of a finding's place. */
export type RangeOf = 'block' | 'inode' | 'group' | 'logical';

/** How findings of one code whose numbers follow each other are told as one. */
export type GroupedDefinition = {
	readonly of: RangeOf;
	/** As `sentence`, with `{which}` for the numbers and what they are of: `inodes 17-20`. */
	readonly sentence: string;
};

/** One row of a table of findings. */
export type FindingDefinition = {
	readonly severity: Severity;
	/**
	 * One plain sentence without a full stop. `{name}` stands for a value given with the finding or
	 * for a field of its place, `{which}` for its ranges.
	 */
	readonly sentence: string;
	/** Undefined where each is told for itself. */
	readonly grouped?: GroupedDefinition;
	/** For who asks what it means: why it matters, what may have caused it, what e2fsck would do. */
	readonly explanation: string;
	/**
	 * What e2fsck calls it: the name of its problem code in lower case, as in PR_1_BAD_I_SIZE →
	 * p1.bad-i-size. Several where it splits hairs that we do not; none where it has no such problem.
	 */
	readonly e2fsck: readonly string[];
};

export type FindingTable = {readonly [code: string]: FindingDefinition};
