import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import * as layouts from '../../../src/fuse/layout.ts';
import {operations} from '../../../src/fuse/operations.ts';

type AnyLayout = layouts.Layout;

function isLayout(value: unknown): value is AnyLayout {
	return typeof value === 'object' && value !== null && 'sizeBytes' in value && 'fields' in value;
}

const exported: unknown[] = Object.values(layouts);
const declared = exported.filter(isLayout);

/** What this machine's linux/fuse.h is too old for, or has under no name. */
const notInHeader = new Set(['fuse_create_out', 'fuse_statfs_out']);

const header = '/usr/include/linux/fuse.h';
const compared = fs.existsSync(header) ? test : test.skip;

compared('sizes and offsets are those of linux/fuse.h, as the C compiler sees it', t => {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-layout-'));
	t.teardown(() => fs.rmSync(folder, {recursive: true}));
	const text = fs.readFileSync(header, 'utf8');
	const known = declared.filter(
		({name}) => !notInHeader.has(name) && text.includes(`struct ${name} {`),
	);
	t.true(known.length >= 40, `only ${known.length} structures found`);
	const lines = known.flatMap(layout => [
		`\tprintf("${layout.name} %zu\\n", sizeof(struct ${layout.name}));`,
		...fieldsKnown(text, layout).map(
			field =>
				`\tprintf("${layout.name}.${field} %zu\\n", offsetof(struct ${layout.name}, ${field}));`,
		),
	]);
	const source = path.join(folder, 'layout.c');
	const program = path.join(folder, 'layout');
	fs.writeFileSync(
		source,
		`#include <linux/fuse.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n${lines.join('\n')}\n}\n`,
	);
	execFileSync('cc', ['-o', program, source]);
	const expected = execFileSync(program, {encoding: 'utf8'}).trim().split('\n');
	const found = known.flatMap(layout => [
		`${layout.name} ${headerSize(layout)}`,
		...fieldsKnown(text, layout).map(field => `${layout.name}.${field} ${layout.at[field]}`),
	]);
	t.deepEqual(found, expected);
});

/** Fields that were padding in an older header, and are left out of the comparison there. */
function fieldsKnown(header: string, layout: AnyLayout): string[] {
	const start = header.indexOf(`struct ${layout.name} {`);
	const body = header.slice(start, header.indexOf('};', start));
	return Object.keys(layout.fields).filter(field => new RegExp(`\\b${field}\\b`).test(body));
}

/** Only the header's full form of setxattr_in is longer than what is spoken here. */
function headerSize(layout: AnyLayout): number {
	return layout.name === 'fuse_setxattr_in' ? 16 : layout.sizeBytes;
}

test('no opcode and no name stands in the table twice', t => {
	const opcodes = operations.map(each => each.opcode);
	const names = operations.map(each => each.name);
	t.is(new Set(opcodes).size, opcodes.length);
	t.is(new Set(names).size, names.length);
});

test('64-bit numbers survive to 2^53, negative ones too', t => {
	const view = new DataView(new ArrayBuffer(8));
	for (const value of [0, 1, 2 ** 31, 2 ** 32, 2 ** 32 - 1, 2 ** 53 - 1]) {
		layouts.writeU64(view, 0, value);
		t.is(layouts.readU64(view, 0), value);
		t.is(view.getBigUint64(0, true), BigInt(value));
	}
	for (const value of [-1, -(2 ** 31), -(2 ** 32), -(2 ** 40) - 1]) {
		layouts.writeU64(view, 0, value);
		t.is(view.getBigInt64(0, true), BigInt(value));
	}
});
