/**
 * What went wrong while serving: the last ones are kept for `status`, and each is a line on
 * stderr, of which there are never many: an image can be wrong in every block of it.
 */
import {CorruptError, FileError, isExpectedError} from '../ext4/index.ts';

export type Fault = {
	/** ISO 8601. */
	readonly time: string;
	/** EXT4_BAD_EXTENT and the like; EXT4BOX_BUG for a fault of this program. */
	readonly code: string;
	readonly message: string;
	/** What was asked, LOOKUP and the like. */
	readonly operation: string;
	readonly inode: number | undefined;
};

const keptMax = 16;
const linesMax = 20;
const intervalMilliseconds = 10_000;

export class Faults {
	#count = 0;
	readonly #kept: Fault[] = [];
	readonly #print: (line: string) => void;
	readonly #now: () => number;
	#intervalStart = Number.NEGATIVE_INFINITY;
	#linesInInterval = 0;
	#suppressed = 0;

	/** `now` is in milliseconds since 1970. */
	constructor(print: (line: string) => void, now: () => number) {
		this.#print = print;
		this.#now = now;
	}

	/** All that there were, not only those that are kept. */
	get count(): number {
		return this.#count;
	}

	/** The last ones, oldest first. */
	get last(): readonly Fault[] {
		return this.#kept;
	}

	/** `inode` is the one that was asked about; the error may know better. */
	record(error: unknown, operation: string, inode: number | undefined): void {
		// That a caller asks for what is not there is no fault.
		if (error instanceof FileError) return;
		const {code, message, stack} = describe(error);
		const place = error instanceof CorruptError ? error.place.inode : undefined;
		this.#keep(code, message, operation, place ?? inode);
		const where = inode === undefined ? operation : `${operation}, inode ${inode}`;
		this.#printLine(`${code}: ${message} (${where})`, stack);
	}

	/** A message that breaks the protocol. */
	recordMalformed(problem: string): void {
		this.#keep('EXT4BOX_PROTOCOL', problem, 'FUSE', undefined);
		this.#printLine(`EXT4BOX_PROTOCOL: ${problem}`, undefined);
	}

	#keep(code: string, message: string, operation: string, inode: number | undefined): void {
		this.#count++;
		const time = new Date(this.#now()).toISOString();
		this.#kept.push({time, code, message, operation, inode});
		if (this.#kept.length > keptMax) this.#kept.shift();
	}

	#printLine(line: string, stack: string | undefined): void {
		const now = this.#now();
		if (now - this.#intervalStart >= intervalMilliseconds) {
			if (this.#suppressed > 0) this.#print(`${this.#suppressed} more errors were not printed`);
			this.#intervalStart = now;
			this.#linesInInterval = 0;
			this.#suppressed = 0;
		}
		if (this.#linesInInterval >= linesMax) {
			this.#suppressed++;
			return;
		}
		this.#linesInInterval++;
		this.#print(line);
		if (stack !== undefined) this.#print(stack);
	}
}

/** The stack of what is our own fault; the image's and the device's have none worth telling. */
function describe(error: unknown): {code: string; message: string; stack: string | undefined} {
	if (isExpectedError(error)) return {code: error.code, message: error.message, stack: undefined};
	if (error instanceof Error) {
		return {code: 'EXT4BOX_BUG', message: error.message, stack: error.stack};
	}
	return {code: 'EXT4BOX_BUG', message: String(error), stack: undefined};
}
