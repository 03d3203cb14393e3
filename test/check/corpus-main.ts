/**
 * node test/check/corpus-main.ts [NAME …]
 *
 * Prints where our checker and the manifest of e2fsprogs' regression images disagree.
 */
import {readCorpus} from '../support/corpus.ts';
import {type CheckEntry, compareEntry, describeDifference} from './corpus.ts';

const names = process.argv.slice(2);
const entries = ((readCorpus() ?? []) as readonly CheckEntry[]).filter(
	({name}) => names.length === 0 || names.includes(name),
);
let verdicts = 0;
let whole = 0;
let slowest = {name: '', milliseconds: 0};
for (const entry of entries) {
	const comparison = compareEntry(entry);
	const {milliseconds, verdict} = comparison.ours;
	if (verdict === comparison.expected) verdicts++;
	if (comparison.missing.length === 0) whole++;
	if (milliseconds > slowest.milliseconds) slowest = {name: entry.name, milliseconds};
	const difference = describeDifference(comparison);
	if (difference !== undefined) console.log(difference);
	if (names.length === 1) {
		for (const {code, message} of comparison.ours.findings) console.log(`  ${code} ${message}`);
		console.log(comparison.ours.summary);
	}
}
console.log(`${verdicts} of ${entries.length} verdicts agree; every class is found in ${whole}`);
console.log(`slowest: ${slowest.name}, ${slowest.milliseconds.toFixed(0)} ms`);
