/** What fsync-load.ts says of files, read back. */

/** How a file is to be found; `open` where neither answer is wrong. */
export type Fact = {readonly length: number; readonly byte: number} | 'gone' | 'open';

/** What the load said, name by name; the last word counts. A line that was cut off is none. */
export function factsOf(said: string): Map<string, Fact> {
	const facts = new Map<string, Fact>();
	for (const line of said.split('\n').slice(0, -1)) {
		const [sign, name = '', length, byte] = line.split(' ');
		if (sign === '+') facts.set(name, {length: Number(length), byte: Number(byte)});
		else facts.set(name, sign === '-' ? 'gone' : 'open');
	}
	return facts;
}
