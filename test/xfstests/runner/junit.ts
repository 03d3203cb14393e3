/** JUnit's XML, as build servers read it. */
import type {Result} from './results.ts';

function escapeXml(text: string): string {
	// XML 1.0 has no way to write most control characters.
	const clean = text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
	const named: Readonly<Record<string, string>> = {
		'<': '&lt;',
		'>': '&gt;',
		'&': '&amp;',
		'"': '&quot;',
	};
	return clean.replaceAll(/[<>&"]/g, char => named[char] ?? char);
}

function testcase({test, run}: Result, system: string): string {
	const name = escapeXml(`${test.number} ${test.definition.title}`);
	const head = `<testcase classname="xfstests.${system}" name="${name}" time="${run.seconds.toFixed(3)}"`;
	const {outcome} = run;
	switch (outcome.kind) {
		case 'passed':
			return `${head}/>`;
		case 'notrun':
			return `${head}><skipped message="${escapeXml(outcome.reason)}"/></testcase>`;
		case 'failed':
			return `${head}><failure message="${escapeXml(outcome.reason)}">${escapeXml(outcome.details)}</failure></testcase>`;
	}
}

export function junit(results: readonly Result[], system: string, when: string): string {
	const count = (kind: string) => results.filter(({run}) => run.outcome.kind === kind).length;
	const seconds = results.reduce((sum, {run}) => sum + run.seconds, 0);
	return [
		'<?xml version="1.0" encoding="UTF-8"?>',
		`<testsuite name="xfstests.${system}" timestamp="${when}" tests="${results.length}" failures="${count('failed')}" skipped="${count('notrun')}" errors="0" time="${seconds.toFixed(3)}">`,
		...results.map(result => testcase(result, system)),
		'</testsuite>',
		'',
	].join('\n');
}
