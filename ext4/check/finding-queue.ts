/**
 * Findings on their way out, in the order of their first place. One that is about the next number
 * (block, inode, group, block of a file) than the last of its code joins it, so that a stretch of bad
 * blocks is told once. For that a finding stays here until nothing more can join it.
 */
import {type FindingCode, findingTable} from './codes.ts';
import {type Finding, groupedMessage} from './finding.ts';

/** Findings behind one that others may join; with more behind it, it goes. */
const behindMax = 64;

export class FindingQueue {
	#queue: Finding[] = [];
	/** How many were taken: what lies first in the queue has this number. */
	#takenCount = 0;
	/** The number of the finding of each code that others may join. */
	readonly #open = new Map<FindingCode, number>();

	/** Whether `finding` joined the last of its code; where not, nothing was changed. */
	join(finding: Finding): boolean {
		const at = (this.#open.get(finding.code) ?? -1) - this.#takenCount;
		const before = this.#queue[at];
		const joined = before === undefined ? undefined : joinedOf(before, finding);
		if (joined === undefined) return false;
		this.#queue[at] = joined;
		return true;
	}

	push(finding: Finding): void {
		const {code} = finding;
		const number = this.#takenCount + this.#queue.length;
		this.#queue.push(finding);
		this.#open.delete(code);
		if (findingTable[code].grouped !== undefined) this.#open.set(code, number);
		for (const [each, open] of this.#open) {
			if (number - open > behindMax) this.#open.delete(each);
		}
	}

	/** What nothing can join any more; at the end of a pass, all. */
	take(isEndOfPass: boolean): Finding[] {
		if (isEndOfPass) this.#open.clear();
		let count = this.#queue.length;
		for (const open of this.#open.values()) count = Math.min(count, open - this.#takenCount);
		this.#takenCount += count;
		return this.#queue.splice(0, count);
	}
}

/** Both in one, where `next` goes on where `before` ends; undefined where it does not. */
function joinedOf(before: Finding, next: Finding): Finding | undefined {
	const {grouped} = findingTable[before.code];
	if (grouped === undefined) return undefined;
	const {of} = grouped;
	const from = before.ranges?.list[0]?.[0] ?? before.place[of];
	const to = before.ranges?.list[0]?.[1] ?? from;
	const nextFrom = next.ranges?.list[0]?.[0] ?? next.place[of];
	const nextTo = next.ranges?.list[0]?.[1] ?? nextFrom;
	if (from === undefined || to === undefined || nextTo === undefined || nextFrom !== to + 1) {
		return undefined;
	}
	for (const name of ['inode', 'directory', 'group'] as const) {
		if (name !== of && before.place[name] !== next.place[name]) return undefined;
	}
	// What the sentence tells must be true of all.
	if (grouped.sentence.includes('{found}') && before.found !== next.found) return undefined;
	const {inode, directory, group, block, logical} = before.place;
	const place = {
		inode,
		directory,
		group,
		block: of === 'block' ? block : undefined,
		logical: of === 'logical' ? logical : undefined,
	};
	const found = before.found === next.found ? before.found : undefined;
	const expected = before.expected === next.expected ? before.expected : undefined;
	const joined: Finding = {
		...before,
		place,
		found,
		expected,
		count: before.count + next.count,
		ranges: {of, list: [[from, nextTo]], omittedCount: 0},
	};
	return {...joined, message: groupedMessage(joined)};
}
