/**
 * Journals of e2fsprogs' own regression tests: what the replay lays over is what debugfs's
 * `journal_run` writes, block for block, and what the corpus says that e2fsck's replay changed.
 */
import {createHash} from 'node:crypto';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import test from 'ava';
import {UnsupportedError} from '../../../ext4/errors.ts';
import {journalFileOf} from '../../../ext4/journal/recover.ts';
import {type RecoveryResult, replayJournal} from '../../../ext4/journal/recovery.ts';
import {Volume} from '../../../ext4/volume.ts';
import {type CorpusEntry, readCorpus, readCorpusImage, sharedFolder} from '../../support/corpus.ts';
import {e2fsprogs, hasDebugfs} from '../../support/e2fsprogs.ts';
import {MemoryDevice} from '../../support/memory-device.ts';

/** e2fsck went on to repair these; so `changedBlocks` has more than the replay in it. */
const repairedAsWell = [
	'f_clear_orphan_file',
	'f_jnl_64bit',
	'j_long_trans_mcsum_32bit@1',
	'j_recover_csum2_32bit',
	'j_short_trans@1',
	'j_short_trans_64bit@1',
	'j_short_trans_old_csum@1',
];

/** Its journal's inode is lost; e2fsck, and only e2fsck, finds the blocks in the superblock. */
const withoutInode = ['f_journal'];

/** What is wrong with these on purpose. */
const damaged: {readonly [name: string]: string} = {
	j_corrupt_descr_csum: 'bad-record',
	j_corrupt_journal_block: 'no-record',
};

type Replayed = {
	readonly result: RecoveryResult;
	readonly blockSize: number;
	/** Blocks that both oracles leave aside: the superblock's and the journal's own. */
	readonly isLeftAside: (block: number) => boolean;
};

function replay(bytes: Uint8Array): Replayed {
	const volume = Volume.open(new MemoryDevice(bytes, true), {journal: 'ignore'});
	const file = journalFileOf(volume);
	const own = new Set<number | undefined>();
	for (let logical = 0; logical < file.lengthBlocks; logical++) {
		own.add(file.journalBlocks(logical));
	}
	const superblock = Math.floor(1024 / file.blockSize);
	return {
		result: replayJournal(file),
		blockSize: file.blockSize,
		isLeftAside: block => block === superblock || own.has(block),
	};
}

/** What debugfs makes of a copy; debugfs says nothing by its exit status. */
function runJournal(bytes: Uint8Array): Uint8Array {
	const folder = mkdtempSync(path.join(tmpdir(), 'ext4box-journal-'));
	try {
		const image = path.join(folder, 'image');
		writeFileSync(image, bytes);
		e2fsprogs('debugfs', ['-w', '-R', 'journal_run', image]);
		return readFileSync(image);
	} finally {
		rmSync(folder, {recursive: true});
	}
}

function sha256Prefix(bytes: Uint8Array): string {
	return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

/** The blocks that the replay changes, as the corpus tells them. */
function changedBlocks(bytes: Uint8Array, replayed: Replayed): [number, string][] {
	const {result, blockSize, isLeftAside} = replayed;
	const changed: [number, string][] = [];
	for (const block of result.overlay.blocks()) {
		const after = result.overlay.get(block);
		const before = bytes.subarray(block * blockSize, (block + 1) * blockSize);
		if (after === undefined || isLeftAside(block) || Buffer.compare(after, before) === 0) continue;
		changed.push([block, sha256Prefix(after)]);
	}
	return changed;
}

/** Blocks in which the overlay and `after` disagree. */
function differences(bytes: Uint8Array, after: Uint8Array, replayed: Replayed): number[] {
	const {result, blockSize, isLeftAside} = replayed;
	const differing: number[] = [];
	for (let block = 0; block < bytes.length / blockSize; block++) {
		if (isLeftAside(block)) continue;
		const range = [block * blockSize, (block + 1) * blockSize] as const;
		const found = result.overlay.get(block) ?? bytes.subarray(...range);
		if (Buffer.compare(found, after.subarray(...range)) !== 0) differing.push(block);
	}
	return differing;
}

const corpus = readCorpus()?.filter(entry => entry.replay !== undefined);

function isExternal(entry: CorpusEntry): boolean {
	return entry.verdict === 'refused';
}

if (corpus === undefined || !hasDebugfs) {
	test.skip(`the corpus is not in ${sharedFolder}, or debugfs is missing`, () => undefined);
}

for (const entry of (hasDebugfs ? corpus : undefined) ?? []) {
	if (withoutInode.includes(entry.name)) continue;
	if (isExternal(entry)) {
		test(`${entry.name}: a journal on another device is refused`, t => {
			const device = new MemoryDevice(readCorpusImage(entry), true);
			const error = t.throws(() => Volume.open(device), {instanceOf: UnsupportedError});
			t.is(error.code, 'EXT4_UNSUPPORTED_EXTERNAL_JOURNAL');
		});
		continue;
	}
	test.serial(`${entry.name}: the replay is e2fsprogs' own`, t => {
		const bytes = readCorpusImage(entry);
		const replayed = replay(bytes);
		t.deepEqual(differences(bytes, runJournal(bytes), replayed), []);
		if (!repairedAsWell.includes(entry.name)) {
			t.deepEqual(changedBlocks(bytes, replayed), entry.replay?.changedBlocks);
		}
		const end = damaged[entry.name];
		t.is(replayed.result.damage === undefined, end === undefined);
		if (end !== undefined) t.is(replayed.result.endedBecause as string, end);
	});
}
