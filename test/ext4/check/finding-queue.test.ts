/** Findings whose numbers follow each other are told as one; order and counts stay. */
import test from 'ava';
import {type CheckSummary, check} from '../../../ext4/check/check.ts';
import {type Finding, makeFinding} from '../../../ext4/check/finding.ts';
import {FindingQueue} from '../../../ext4/check/finding-queue.ts';
import {DeviceError} from '../../../ext4/errors.ts';
import {Volume} from '../../../ext4/volume.ts';
import {loadBases} from '../../fuzz/bases.ts';
import {MemoryDevice} from '../../support/memory-device.ts';

const unreadable = (block: number, found = 'EIO') =>
	makeFinding('inodes', 'CHECK_BLOCK_UNREADABLE', {block}, {found});
const links = (inode: number) =>
	makeFinding('references', 'CHECK_LINK_COUNT', {inode}, {found: 2, expected: 1});

function queued(findings: readonly Finding[]): Finding[] {
	const queue = new FindingQueue();
	for (const finding of findings) if (!queue.join(finding)) queue.push(finding);
	return queue.take(true);
}

test('a stretch of numbers is one finding, with its count', t => {
	const [first, second, ...rest] = queued([5, 6, 7, 9].map(block => unreadable(block)));
	t.deepEqual(rest, []);
	t.is(first?.count, 3);
	t.deepEqual(first?.ranges, {of: 'block', list: [[5, 7]], omittedCount: 0});
	t.is(first?.place.block, 5);
	t.is(first?.message, 'blocks 5-7 can not be read: EIO');
	t.is(second?.count, 1);
	t.is(second?.message, 'block 9 can not be read: EIO');
});

test('what a sentence tells holds for all that it stands for', t => {
	t.is(queued([unreadable(5), unreadable(6, 'ENXIO')]).length, 2);
	const sum = (inode: number, found: string) =>
		makeFinding('inodes', 'CHECK_INODE_CHECKSUM', {inode}, {found, expected: '0x1'});
	const [both] = queued([sum(20, '0x2'), sum(21, '0x3')]);
	t.is(both?.message, 'the checksums of inodes 20-21 do not fit what is in them');
	t.is(both?.found, undefined);
	t.is(both?.expected, '0x1');
});

test('findings of other codes between do not part them, and the order is that of the first', t => {
	const told = queued([unreadable(5), links(12), unreadable(6), links(13)]);
	t.deepEqual(
		told.map(({code, count, place}) => [code, count, place.block ?? place.inode]),
		[
			['CHECK_BLOCK_UNREADABLE', 2, 5],
			['CHECK_LINK_COUNT', 1, 12],
			['CHECK_LINK_COUNT', 1, 13],
		],
	);
});

test('a finding that might go on holds up the others for a while only', t => {
	const queue = new FindingQueue();
	queue.push(unreadable(5));
	for (let inode = 12; inode < 20; inode++) queue.push(links(inode));
	t.deepEqual(queue.take(false), []);
	for (let inode = 20; inode < 200; inode++) queue.push(links(inode));
	t.is(queue.take(false).length, 189);
	t.false(queue.join(unreadable(6)));
});

/** Cannot be read within a stretch of bytes. */
class FailingDevice extends MemoryDevice {
	readonly #from: number;
	readonly #to: number;

	constructor(bytes: Uint8Array, from: number, to: number) {
		super(bytes, true);
		this.#from = from;
		this.#to = to;
	}

	override read(position: number, into: Uint8Array): void {
		if (position < this.#to && position + into.length > this.#from) {
			throw new DeviceError('EIO', position, into.length);
		}
		super.read(position, into);
	}
}

function checked(device: MemoryDevice, maxFindings?: number) {
	const findings: Finding[] = [];
	const run = check(device, maxFindings === undefined ? {} : {maxFindings});
	let next = run.next();
	for (; next.done !== true; next = run.next()) findings.push(next.value);
	const summary: CheckSummary = next.value;
	return {findings, summary};
}

const bytes = loadBases().find(({name}) => name === 'ext4-1k')?.bytes ?? new Uint8Array(0);
const volume = Volume.open(new MemoryDevice(bytes, true));
const {blockSize} = volume.geometry;

test('an inode table that can not be read is a line, and all its blocks are counted', t => {
	const from = volume.group(0).inodeTable + 4;
	const device = new FailingDevice(bytes, from * blockSize, (from + 8) * blockSize);
	const {findings, summary} = checked(device);
	const told = findings.filter(({code}) => code === 'CHECK_BLOCK_UNREADABLE');
	const [first] = told;
	t.is(first?.count, 4); // Behind them lie inodes that were never used.
	t.is(first?.message, `blocks ${from}-${from + 3} can not be read: EIO`);
	let count = 0;
	for (const each of told) count += each.count;
	t.is(summary.codes.get('CHECK_BLOCK_UNREADABLE'), count);
});

test('a bitmap of noise makes a finding for each way to be wrong', t => {
	const noisy = bytes.slice();
	const at = volume.group(0).blockBitmap * blockSize;
	for (let byte = 0; byte < blockSize; byte++) noisy[at + byte] = (byte * 167) & 0xff;
	const {findings} = checked(new MemoryDevice(noisy, true));
	for (const code of ['CHECK_BLOCKS_MARKED', 'CHECK_BLOCKS_NOT_MARKED'] as const) {
		const told = findings.filter(finding => finding.code === code && finding.place.group === 0);
		t.is(told.length, 1);
		const [only] = told;
		t.true((only?.ranges?.list.length ?? 0) > 20);
		let count = only?.ranges?.omittedCount ?? 0;
		for (const [first, last] of only?.ranges?.list ?? []) count += last - first + 1;
		t.is(only?.found, count);
		t.regex(only?.message ?? '', /: blocks \d+.*, … and \d+ more$/);
	}
});

test('--max-findings counts what is given, the summary what is found', t => {
	const from = volume.group(0).inodeTable + 4;
	const device = () => new FailingDevice(bytes, from * blockSize, (from + 8) * blockSize);
	const all = checked(device());
	const some = checked(device(), 1);
	t.is(some.findings.length, 1);
	t.deepEqual(some.summary.codes, all.summary.codes);
});
