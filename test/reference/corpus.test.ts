/**
 * The regression images of e2fsprogs: broken, odd and repaired ones. What has a listing is compared
 * with it; all others open or are refused with a typed error, and are walked whole.
 */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import test from 'ava';
import {isExpectedError, Volume} from '../../ext4/index.ts';
import {nodeHashes} from '../../images/hashes.ts';
import {walkImage} from '../fuzz/walk.ts';
import {type CorpusEntry, readCorpus, readCorpusImage, sharedFolder} from '../support/corpus.ts';
import {compareListings, type Listing, listVolume} from '../support/listing.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {testUnless} from '../support/skip.ts';
import {isComplete} from './material.ts';

type Entry = CorpusEntry & {
	readonly ref?: string;
	readonly kernelMount: {readonly ok: boolean; readonly error?: string};
};

/** What we refuse although the kernel mounts it with `noload`. */
const refusedOnPurpose = /_ext_(jnl|journal|long_trans)/; // The journal lies on another device.
/**
 * What reads with errors although e2fsck calls it clean, and why.
 *
 * f_verity holds verity data of a format from before the one that went into Linux.
 * The journals of j_corrupt_* are damaged on purpose; after the replay of j_long_trans_mcsum_32bit@1
 * the root's checksum is wrong. The kernel mounts none of these three without `noload`.
 * In f_ea_inode_* lost+found names inodes that hold attributes' values; the kernel refuses them too.
 */
const cleanWithErrors = new Set([
	'f_ea_inode_disconnected.fixed',
	'f_ea_inode_self_ref.fixed',
	'f_verity',
	'j_corrupt_descr_csum',
	'j_corrupt_journal_block',
	'j_long_trans_mcsum_32bit@1',
]);

const hangMilliseconds = 10_000;
/** Unpacking and hashing half a gigabyte of zeros takes a second: those are for the long run. */
const quickSizeBytes = 32 << 20;

const corpus = readCorpus() as readonly Entry[] | undefined;
const entries = (corpus ?? []).filter(entry => isComplete || entry.size <= quickSizeBytes);
const counts = {compared: 0, walked: 0, refused: 0, withErrors: 0};
const codes = new Map<string, number>();

function readListing(entry: Entry): Listing | undefined {
	if (entry.ref === undefined) return undefined;
	const packed = readFileSync(join(sharedFolder, 'corpus/e2fsck', entry.ref));
	return JSON.parse(gunzipSync(packed).toString()) as Listing;
}

if (corpus === undefined) {
	testUnless('no shared folder: see EXT4BOX_SHARED', 'the corpus of e2fsprogs', () => {});
}

for (const entry of entries) {
	test(`${entry.name} is read as the kernel reads it, or refused, without a crash`, t => {
		t.timeout(120_000);
		const bytes = readCorpusImage(entry);
		const reference = readListing(entry);
		if (reference !== undefined) {
			const volume = Volume.open(new MemoryDevice(bytes, true), {hashes: nodeHashes});
			t.deepEqual(compareListings(listVolume(volume), reference), []);
			counts.compared++;
		}
		const started = process.cpuUsage();
		const result = walkImage(new MemoryDevice(bytes, true), 1 << 23);
		const {user, system} = process.cpuUsage(started);
		const milliseconds = (user + system) / 1000;
		t.true(milliseconds < hangMilliseconds, `${milliseconds} ms`);
		counts.walked++;
		if (!result.opened) counts.refused++;
		if (result.errors.size > 0) counts.withErrors++;
		for (const code of result.errors.keys()) codes.set(code, (codes.get(code) ?? 0) + 1);
		if (entry.kernelMount.ok && !refusedOnPurpose.test(entry.name)) {
			t.true(result.opened, `the kernel opens it: ${[...result.errors.keys()].join(', ')}`);
		}
		if (entry.verdict === 'clean' && !cleanWithErrors.has(entry.name)) {
			t.deepEqual([...result.errors.keys()], []);
		}
	});
}

test('an image cut off anywhere in its first blocks is refused with a typed error', t => {
	const entry = entries.find(({verdict}) => verdict === 'clean');
	const bytes = entry === undefined ? new Uint8Array(4097) : readCorpusImage(entry);
	for (const length of [0, 1, 1023, 1024, 2047, 2048, 4096, bytes.length - 1]) {
		try {
			Volume.open(new MemoryDevice(bytes.subarray(0, length), true));
			t.fail(`${length} bytes opened`);
		} catch (error) {
			t.true(isExpectedError(error), String(error));
		}
	}
});

test.after(t => {
	const {compared, walked, refused, withErrors} = counts;
	t.log(`${walked} walked, ${compared} of them compared: the same`);
	t.log(`${refused} refused, ${withErrors} with errors; images with each code:`);
	t.log([...codes].map(([code, count]) => `${code} ${count}`).join(', '));
});
