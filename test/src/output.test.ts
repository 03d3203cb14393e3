import {spawnSync} from 'node:child_process';
import test from 'ava';
import {formatTable, jsonBytes, quoteName, toJsonText} from '../../src/output.ts';
import {missing, testUnless} from '../support/skip.ts';

const quoted: readonly (readonly [string | Uint8Array, string])[] = [
	['plain', 'plain'],
	['größer', 'größer'],
	['a b', "'a b'"],
	['', "''"],
	["don't", '"don\'t"'],
	["$don't", "$'$don\\'t'"],
	['a\nb', "$'a\\nb'"],
	['\u001b[2J', "$'\\e[2J'"],
	['\u009b2J', "$'\\302\\2332J'"],
	['\u202egpj.exe', "$'\\342\\200\\256gpj.exe'"],
	[Uint8Array.of(0x66, 0xff), "$'f\\377'"],
	['a\\b', "'a\\b'"],
	['*', "'*'"],
];
for (const [name, expected] of quoted) {
	test(`the name ${JSON.stringify(expected)} is quoted so`, t => {
		t.is(quoteName(Buffer.from(name)), expected);
	});
}

testUnless(missing('bash'), 'bash reads every quoted name back as it was', t => {
	const names = [
		...quoted.map(([name]) => Buffer.from(name)),
		Buffer.from([1, 127, 128, 39, 92, 34]),
	];
	const command = `printf '%s\\0' ${names.map(name => quoteName(name)).join(' ')}`;
	const result = spawnSync('bash', ['-c', command], {env: {LC_ALL: 'C'}});
	t.deepEqual(result.stdout, Buffer.concat(names.flatMap(name => [name, Buffer.of(0)])));
});

test('bytes that are not UTF-8 stand in JSON under another key', t => {
	t.deepEqual(jsonBytes('name', Buffer.from('größe')), {name: 'größe'});
	t.deepEqual(jsonBytes('name', Uint8Array.of(0xff)), {nameBase64: '/w=='});
});

test('a table is as wide as its widest cells', t => {
	const rows = [
		['a', '1', 'x'],
		['long', '22', ''],
	];
	t.is(formatTable(rows, ['left', 'right', 'left']), 'a      1  x\nlong  22\n');
});

test('JSON holds nothing that a terminal would act on, and reads back as it was', t => {
	const value = {name: '\u001b[2J\u009b2J\u007f\u202egpj.exe\ufeff größe 🎈'};
	const text = toJsonText(value, '\t');
	t.notRegex(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\ufeff]/);
	t.true(text.includes('größe 🎈'));
	t.deepEqual(JSON.parse(text), value);
});
