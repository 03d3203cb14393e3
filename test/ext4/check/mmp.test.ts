/** The block against multiple mounts: what its number may say. */
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {mmp_struct} from '../../../ext4/layout/mmp.ts';
import {ext4_super_block} from '../../../ext4/layout/superblock.ts';
import {hasE2fsck} from '../../check/e2fsck.ts';
import {e2fsprogs} from '../../support/e2fsprogs.ts';
import {type Judged, judgeDamaged} from '../../support/judged.ts';
import {temporary} from '../../support/program.ts';
import {testUnless} from '../../support/skip.ts';

const why = hasE2fsck ? undefined : 'e2fsck is not installed';
/** All that writes to such a file system waits some seconds first; mke2fs does not. */
function judgeSequence(t: ExecutionContext, sequence: number): Judged {
	const path = join(temporary(t), 'image');
	e2fsprogs('mke2fs', ['-q', '-t', 'ext4', '-b', '1024', '-O', 'mmp,^metadata_csum', path, '2M']);
	return judgeDamaged(path, bytes => {
		const block = bytes.readUInt32LE(1024 + ext4_super_block.fields.s_mmp_block.at);
		bytes.writeUInt32LE(sequence, block * 1024 + mmp_struct.fields.mmp_seq.at);
	});
}

for (const sequence of [0xe24d4d51, 0xff4d4d4f, 0xffffffff]) {
	testUnless(why, `mmp number 0x${sequence.toString(16)} is nobody's, and e2fsck ends at it`, t => {
		const {codes, exit} = judgeSequence(t, sequence);
		t.deepEqual(codes, ['CHECK_MMP_SEQUENCE']);
		t.not((exit ?? 0) & 12, 0);
	});
}

for (const sequence of [0, 0xe24d4d4f]) {
	testUnless(
		why,
		`mmp number 0x${sequence.toString(16)} is that of a mount, which may be over`,
		t => {
			const {codes, exit} = judgeSequence(t, sequence);
			t.deepEqual(codes, ['CHECK_MMP_IN_USE']);
			t.is(exit, 0);
		},
	);
}
