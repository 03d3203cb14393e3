/** One page of HTML that stands by itself: runs over time, a column each, a row for each test. */
import type {PastRun, PastTest} from './history.ts';

const columnsMax = 30;

function escapeHtml(text: string): string {
	return text.replaceAll(/[<>&"']/g, char => `&#${char.charCodeAt(0)};`);
}

const style = `
:root{color-scheme:light dark;--pass:#2e7d32;--fail:#c62828;--skip:#9e9e9e;--line:#8884}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:90rem;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.5rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{border-bottom:1px solid var(--line);padding:.15rem .5rem;text-align:left;font-weight:normal}
thead th{vertical-align:bottom;font-size:.8rem}
th.name{position:sticky;left:0;background:Canvas;min-width:18rem}
td{text-align:right;font-size:.85rem;white-space:nowrap}
.passed{color:var(--pass)}.failed{color:#fff;background:var(--fail)}.notrun{color:var(--skip)}
tfoot td,tfoot th{font-weight:600}
`;

const words = {passed: '✓', failed: '✗', notrun: '–'} as const;

function cell(test: PastTest | undefined): string {
	if (test === undefined) return '<td></td>';
	const told = test.reason === '' ? test.kind : `${test.kind}: ${test.reason}`;
	const time = test.kind === 'notrun' ? '' : ` ${test.seconds.toFixed(1)} s`;
	return `<td class="${test.kind}" title="${escapeHtml(told)}"><span aria-label="${test.kind}">${words[test.kind]}</span>${time}</td>`;
}

function heading(run: PastRun): string {
	const [day = '', time = ''] = run.when.split('T');
	const lines = [day, time.slice(0, 5), run.revision];
	return `<th title="${escapeHtml(`Linux ${run.kernel}`)}">${lines.map(escapeHtml).join('<br>')}</th>`;
}

function total(run: PastRun): string {
	const count = (kind: string) => run.tests.filter(test => test.kind === kind).length;
	const seconds = run.tests.reduce((sum, test) => sum + test.seconds, 0);
	return `<td title="passed / failed / not run">${count('passed')} / ${count('failed')} / ${count('notrun')}<br>${seconds.toFixed(0)} s</td>`;
}

function section(system: string, runs: readonly PastRun[]): string {
	const shown = runs.slice(-columnsMax);
	const byNumber = shown.map(run => new Map(run.tests.map(test => [test.number, test])));
	const titles = new Map(shown.flatMap(run => run.tests.map(test => [test.number, test.title])));
	const rows = [...titles]
		.sort(([a], [b]) => a.localeCompare(b))
		.map(([number, title]) => {
			const cells = byNumber.map(tests => cell(tests.get(number)));
			return `<tr><th class="name" scope="row">${number} ${escapeHtml(title)}</th>${cells.join('')}</tr>`;
		});
	const left = runs.length - shown.length;
	return `<h2>${escapeHtml(system)}</h2>${left > 0 ? `<p>The last ${columnsMax} of ${runs.length} runs.</p>` : ''}
<div class="scroll"><table><thead><tr><th class="name">Test</th>${shown.map(heading).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody>
<tfoot><tr><th class="name">Passed / failed / not run</th>${shown.map(total).join('')}</tr></tfoot></table></div>`;
}

/** `runs` are oldest first. */
export function page(runs: readonly PastRun[]): string {
	const systems = [...new Set(runs.map(run => run.system))];
	const sections = systems.map(system =>
		section(
			system,
			runs.filter(run => run.system === system),
		),
	);
	return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Test runs over time</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><style>${style}</style></head>
<body><h1>Test runs over time</h1>
<p>A column is a run, the newest on the right; hold the pointer over a cell for why a test failed or was not run.</p>
${sections.join('\n')}
</body></html>
`;
}
