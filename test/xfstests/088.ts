/** Lines of several processes go to the end of one file; whoever is last has moved the end. */
import {closeSync, constants, fsyncSync, openSync, readFileSync, writeSync} from 'node:fs';
import {type TestContext, xfstest} from './api.ts';

const writers = 3;
const lines = 400;

/** Long and short ones, so that they meet the ends of blocks anywhere. */
function line(writer: number, index: number): string {
	return `${writer} ${index} ${'-'.repeat((index * 37) % 900)}\n`;
}

function problemsOf(t: TestContext): string[] {
	const found = readFileSync(t.path('log'), 'utf8').split('\n').slice(0, -1);
	const problems = found.length === writers * lines ? [] : [`${found.length} lines`];
	for (let writer = 0; writer < writers; writer++) {
		const own = found.filter(text => text.startsWith(`${writer} `)).map(text => `${text}\n`);
		const wrong = own.findIndex((text, index) => text !== line(writer, index));
		if (wrong !== -1) problems.push(`line ${wrong} of writer ${writer} is another`);
	}
	return problems;
}

export const test = xfstest({
	title: 'Lines that several processes append to one file are all there, whole and in order',
	groups: ['auto', 'quick', 'stress', 'rw'],
	image: {size: '32M'},
	workers: {
		append(t, writer) {
			const flags = constants.O_WRONLY | constants.O_APPEND;
			const file = openSync(t.path('log'), flags);
			for (let index = 0; index < lines; index++) {
				writeSync(file, line(Number(writer), index));
				if (index % 100 === 99) fsyncSync(file);
			}
			closeSync(file);
		},
	},
	async run(t) {
		closeSync(openSync(t.path('log'), 'w'));
		const each = Array.from({length: writers}, (_, writer) => t.worker('append', writer));
		await Promise.all(each);
		t.verdict('lines', problemsOf(t));
		t.remount();
		t.verdict('lines after mounting again', problemsOf(t));
	},
});
