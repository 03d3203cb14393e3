/** The Test Anything Protocol, version 14. */
import type {Result} from './results.ts';

function lines({test, run}: Result, index: number): string[] {
	// "#" and "\" are TAP's own, and so is the end of a line.
	const title = test.definition.title.replaceAll(/[\\#]/g, '\\$&').replaceAll('\n', ' ');
	const name = `${index + 1} - ${test.number} ${title}`;
	const {outcome} = run;
	switch (outcome.kind) {
		case 'passed':
			return [`ok ${name}`];
		case 'notrun':
			return [`ok ${name} # SKIP ${outcome.reason.replaceAll('\n', ' ')}`];
		case 'failed':
			return [
				`not ok ${name}`,
				'  ---',
				`  message: ${JSON.stringify(outcome.reason)}`,
				`  details: ${JSON.stringify(outcome.details)}`,
				'  ...',
			];
	}
}

export function tap(results: readonly Result[]): string {
	return ['TAP version 14', `1..${results.length}`, ...results.flatMap(lines), ''].join('\n');
}
