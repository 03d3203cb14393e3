import {mkdirSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync} from 'node:fs';
import {xfstest} from './api.ts';

export const test = xfstest({
	title: 'A name is any bytes but slash and NUL, up to 255 of them',
	groups: ['auto', 'quick', 'metadata'],
	run(t) {
		const at = (folder: string, name: Uint8Array) =>
			Buffer.concat([Buffer.from(`${t.path(folder)}/`), name]);
		mkdirSync(t.path('single'));
		mkdirSync(t.path('odd'));
		const refused: number[] = [];
		for (let byte = 1; byte < 256; byte++) {
			const code = t.codeOf(() => writeFileSync(at('single', Buffer.of(byte)), String(byte)));
			if (code !== undefined) refused.push(byte);
		}
		t.print(`names of one byte that were refused: ${refused}`);
		const odd = [
			Buffer.from('ümläut und 漢字 und 🗄'),
			Buffer.from('u\u0308 is two code points'),
			Buffer.from('\u00fc is one'),
			Buffer.from([0xc3, 0x28, 0xff, 0xfe]),
			Buffer.from('\n\r\t\u001b[31m'),
			Buffer.from('-rf'),
			Buffer.from(' '),
			Buffer.from('...'),
			Buffer.from('..a'),
			Buffer.from('name.'),
			Buffer.from('ÄÖ'.repeat(63)),
			Buffer.alloc(255, 'x'),
			Buffer.alloc(254, 0xff),
		];
		for (const [index, name] of odd.entries()) writeFileSync(at('odd', name), `number ${index}`);
		t.attempt('256 bytes', () => writeFileSync(at('odd', Buffer.alloc(256, 'x')), ''));
		t.attempt('looked up with 256 bytes', () => statSync(at('odd', Buffer.alloc(256, 'x'))));
		t.attempt('a directory of 255 bytes', () => mkdirSync(at('odd', Buffer.alloc(255, 'd'))));
		t.attempt('.', () => mkdirSync(at('odd', Buffer.from('.'))));
		t.attempt('..', () => mkdirSync(at('odd', Buffer.from('..'))));
		t.attempt('another case', () => statSync(at('odd', Buffer.from('NAME.'))));
		t.attempt('removing a directory as a file', () => unlinkSync(t.path('odd')));
		t.remount();
		const single = readdirSync(t.path('single'), {encoding: 'buffer'});
		const wrong = single.filter(
			name => readFileSync(at('single', name), 'utf8') !== String(name[0]) || name.length !== 1,
		);
		t.print(`names of one byte: ${single.length}, wrong: ${wrong.length}`);
		for (const [index, name] of odd.entries()) {
			const text = t.codeOf(() => readFileSync(at('odd', name), 'utf8'));
			if (text !== `number ${index}`) t.print(`${name.toString('hex')}: ${text}`);
		}
		const listed = readdirSync(t.path('odd'), {encoding: 'buffer'}).map(name =>
			name.toString('hex'),
		);
		const missing = odd.filter(name => !listed.includes(name.toString('hex')));
		t.print(`listed: ${listed.length}, missing: ${missing.length}`);
	},
});
