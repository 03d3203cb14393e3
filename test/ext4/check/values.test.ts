/** Where values of attributes lie, and whether they are what their hashes say. */
import * as fs from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {ext4_extent_header, extentMagic} from '../../../ext4/layout/extent.ts';
import {ext4_inode, inodeFlags} from '../../../ext4/layout/inode.ts';
import {hasE2fsck} from '../../check/e2fsck.ts';
import {judge} from '../../support/judged.ts';
import {testUnless} from '../../support/skip.ts';

const why = hasE2fsck ? undefined : 'e2fsck is not installed';

/** The entry of system.data that has no value, as a file of up to 60 bytes has it. */
function emptyInlineEntry(bytes: Buffer): number {
	const head = Buffer.from([4, 7]);
	for (let at = bytes.indexOf(head); at >= 0; at = bytes.indexOf(head, at + 1)) {
		const isData = bytes.toString('latin1', at + 16, at + 20) === 'data';
		if (isData && bytes.readUInt32LE(at + 8) === 0) return at;
	}
	throw new RangeError('no file is kept in its inode');
}

testUnless(why, 'an offset that leads nowhere costs an inline file its contents in e2fsck', t => {
	const options = ['-O', '^metadata_csum,inline_data'];
	const {codes, exit} = judge(options, [], bytes => {
		bytes.writeUInt16LE(0xfff0, emptyInlineEntry(bytes) + 2);
	});
	t.deepEqual(codes, ['CHECK_ATTRIBUTE_VALUE_OFFSET']);
	t.is(exit, 4);
});

testUnless(why, 'an empty value at the end of the inode is well', t => {
	const options = ['-O', '^metadata_csum,inline_data'];
	const {codes, exit} = judge(options, [], bytes => {
		const at = emptyInlineEntry(bytes);
		// Of 256 bytes 128 are its fields, 32 more of them, and four the magic number.
		bytes.writeUInt16LE(256 - 128 - 32 - 4, at + 2);
	});
	t.deepEqual(codes, []);
	t.is(exit, 0);
});

const value = 'a value that is larger than a block. '.repeat(100);

/** debugfs commands that give a file such a value. */
function setValue(t: ExecutionContext): string[] {
	const folder = fs.mkdtempSync(join(tmpdir(), 'ext4box-value-'));
	t.teardown(() => fs.rmSync(folder, {recursive: true}));
	fs.writeFileSync(join(folder, 'value'), value);
	return [`ea_set -f ${join(folder, 'value')} hello user.large`];
}

const withValues = ['-O', 'ea_inode,^metadata_csum'];

testUnless(why, 'a value in an inode of its own is well as it is made', t => {
	const {codes, exit} = judge(withValues, setValue(t), () => {});
	t.deepEqual(codes, []);
	t.is(exit, 0);
});

testUnless(why, 'a value that its inode has another hash of is told, which e2fsck does not', t => {
	const {codes, exit} = judge(withValues, setValue(t), bytes => {
		bytes.write('A', bytes.indexOf(value.slice(0, 100)));
	});
	t.deepEqual(codes, ['CHECK_VALUE_HASH']);
	t.is(exit, 0);
});

/** Takes all blocks from the inode that holds the value. */
function emptyHolder(bytes: Buffer): void {
	const flags = inodeFlags.eaInode | inodeFlags.extents;
	for (let at = 0; at < bytes.length; at += 256) {
		const isHolder = bytes.readUInt32LE(at + ext4_inode.fields.i_flags.at) === flags;
		const root = at + ext4_inode.fields.i_block.at;
		if (!isHolder || bytes.readUInt16LE(root) !== extentMagic) continue;
		bytes.writeUInt16LE(0, root + ext4_extent_header.fields.eh_entries.at);
		return;
	}
	throw new RangeError('no inode holds a value');
}

testUnless(why, 'a value without its blocks is told', t => {
	const {codes, exit} = judge(withValues, setValue(t), emptyHolder);
	t.true(codes.includes('CHECK_VALUE_UNREADABLE'), codes.join(', '));
	t.is(exit, 4);
});
