/** What attributes say of how files are encrypted. */
import * as fs from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {checked, damaged} from '../../support/damaged.ts';
import {hasDebugfs} from '../../support/e2fsprogs.ts';
import {testUnless} from '../../support/skip.ts';

const why = hasDebugfs ? undefined : 'debugfs is not installed';

/** A context of version 2: the identifier of its key, and each file's own nonce. */
function contextOf(key: number, nonce: number, length = 40): Buffer {
	const context = Buffer.from([2, 1, 4, 0, 0, 0, 0, 0, ...Buffer.alloc(16, key)]);
	return Buffer.concat([context, Buffer.alloc(16, nonce)]).subarray(0, length);
}

/** debugfs does not write attributes of fscrypt's kind: `user.c` is made one of them. */
function makeContexts(bytes: Buffer): void {
	const entry = Buffer.from([1, 1]);
	for (let at = bytes.indexOf(entry); at >= 0; at = bytes.indexOf(entry, at + 1)) {
		const isEntry = bytes[at + 16] === 0x63 && bytes.readUInt32LE(at + 4) === 0;
		if (isEntry) bytes[at + 1] = 9;
	}
}

const plain = ['-O', '^metadata_csum,^has_journal,encrypt'];

for (const {title, inner, code, inodeSize} of [
	{title: 'of one policy', inner: contextOf(1, 7), code: undefined, inodeSize: 256},
	{
		title: 'of two policies',
		inner: contextOf(2, 7),
		code: 'CHECK_ENTRY_OTHER_POLICY',
		inodeSize: 256,
	},
	{
		title: 'of two policies, in blocks of attributes',
		inner: contextOf(2, 7),
		code: 'CHECK_ENTRY_OTHER_POLICY',
		inodeSize: 128,
	},
	{
		title: 'of which one is cut off',
		inner: contextOf(1, 7, 30),
		code: 'CHECK_ENCRYPTION_CONTEXT',
		inodeSize: 256,
	},
] as const) {
	testUnless(why, `contexts of encryption ${title} are judged as e2fsck does`, t => {
		const folder = fs.mkdtempSync(join(tmpdir(), 'ext4box-context-'));
		t.teardown(() => fs.rmSync(folder, {recursive: true}));
		fs.writeFileSync(join(folder, 'outer'), contextOf(1, 9));
		fs.writeFileSync(join(folder, 'inner'), inner);
		const commands = [
			'mkdir safe',
			'mkdir safe/a_name_of_one_block_of_the_cipher',
			'sif safe flags 0x80800',
			'sif safe/a_name_of_one_block_of_the_cipher flags 0x80800',
			`ea_set -f ${join(folder, 'outer')} safe user.c`,
			`ea_set -f ${join(folder, 'inner')} safe/a_name_of_one_block_of_the_cipher user.c`,
		];
		const options = [...plain, '-I', String(inodeSize)];
		const {bytes, exit} = damaged(commands, options, makeContexts);
		const codes = checked(bytes)
			.findings.filter(({severity}) => severity === 'error')
			.map(finding => finding.code);
		t.deepEqual(codes, code === undefined ? [] : [code]);
		t.is(exit, code === undefined ? 0 : 4);
	});
}
