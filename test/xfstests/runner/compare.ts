/** Golden output against what was printed. */

/** A line for each that only one has, from the first that differs; empty where they are the same. */
export function difference(golden: string, printed: string): string {
	if (golden === printed) return '';
	const wanted = golden.split('\n');
	const got = printed.split('\n');
	const first = wanted.findIndex((line, index) => line !== got[index]);
	const at = first === -1 ? wanted.length : first;
	const context = wanted.slice(Math.max(0, at - 3), at).map(line => `   ${line}`);
	// Behind the first difference what is alike says little: both are shown.
	const minus = wanted.slice(at, at + 12).map(line => `-  ${line}`);
	const plus = got.slice(at, at + 12).map(line => `+  ${line}`);
	return [`@@ line ${at + 1}: - golden, + printed`, ...context, ...minus, ...plus].join('\n');
}
