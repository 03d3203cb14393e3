import {spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {type PartitionTable, readPartitionTable, windowOf} from '../../images/partitions.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {writeGpt, writeMbr} from '../support/partition-tables.ts';
import {missing, testUnless} from '../support/skip.ts';

const mebibyte = 2 ** 20;

function tableOf(t: ExecutionContext, disk: Uint8Array, mbrSectorSize?: number): PartitionTable {
	const table = readPartitionTable(new MemoryDevice(disk), mbrSectorSize);
	if (table === undefined || table.scheme === 'damaged') {
		t.log(table);
		throw new Error('there should be a table');
	}
	return table;
}

const extents = (table: PartitionTable) =>
	table.partitions.map(({number, startBytes, sizeBytes}) => [number, startBytes, sizeBytes]);

/** Three primary and three logical partitions, as sectors; the extended one is number 2. */
function diskWithLogical(): Uint8Array {
	const disk = new Uint8Array(mebibyte);
	writeMbr(disk, [
		{start: 64, length: 100, status: 0x80},
		{start: 200, length: 1000, type: 0x0f},
		{start: 1300, length: 50, type: 0x82},
		{start: 1400, length: 60},
	]);
	writeMbr(
		disk,
		[
			{start: 10, length: 40},
			{start: 100, length: 200, type: 0x05},
		],
		200 * 512,
	);
	writeMbr(
		disk,
		[
			{start: 20, length: 50},
			{start: 400, length: 100, type: 0x05},
		],
		300 * 512,
	);
	writeMbr(disk, [{start: 30, length: 60}], 600 * 512);
	return disk;
}

test('primary and logical partitions are numbered as the kernel numbers them', t => {
	const table = tableOf(t, diskWithLogical());
	t.is(table.scheme, 'mbr');
	t.deepEqual(table.problems, []);
	t.deepEqual(extents(table), [
		[1, 64 * 512, 100 * 512],
		[3, 1300 * 512, 50 * 512],
		[4, 1400 * 512, 60 * 512],
		[5, 210 * 512, 40 * 512],
		[6, 320 * 512, 50 * 512],
		[7, 630 * 512, 60 * 512],
	]);
	t.deepEqual(
		table.partitions.map(each => each.type),
		['0x83', '0x82', '0x83', '0x83', '0x83', '0x83'],
	);
});

test('an MBR can be counted in sectors of 4096 bytes', t => {
	const disk = new Uint8Array(mebibyte);
	writeMbr(disk, [{start: 16, length: 32}]);
	t.deepEqual(extents(tableOf(t, disk, 4096)), [[1, 65536, 131072]]);
});

test('a chain of logical partitions that turns in a circle ends', t => {
	const disk = new Uint8Array(mebibyte);
	writeMbr(disk, [{start: 100, length: 1000, type: 0x05}]);
	const ring = (link: number) => [
		{start: 1, length: 10},
		{start: link, length: 100, type: 0x05},
	];
	writeMbr(disk, ring(100), 100 * 512);
	writeMbr(disk, ring(0), 200 * 512);
	const table = tableOf(t, disk);
	t.is(table.partitions.length, 2);
	t.deepEqual(table.problems, ['the chain of logical partitions turns back to sector 100']);
});

test('a chain of logical partitions without end is cut', t => {
	const disk = new Uint8Array(mebibyte);
	writeMbr(disk, [{start: 1, length: 2000, type: 0x05}]);
	for (let sector = 1; sector < 2040; sector++) {
		const entries = [
			{start: 1, length: 1},
			{start: sector, length: 1, type: 0x05},
		];
		writeMbr(disk, entries, sector * 512);
	}
	const table = tableOf(t, disk);
	t.is(table.partitions.length, 256);
	t.is(table.problems.length, 1);
});

test('a chain of logical partitions that leaves the disk is told', t => {
	const disk = new Uint8Array(mebibyte);
	writeMbr(disk, [
		{start: 100, length: 1000, type: 0x05},
		{start: 0xffff_ffff, length: 0xffff_ffff, type: 0x85},
	]);
	const links = [
		{start: 1, length: 10},
		{start: 0xffff_0000, length: 1, type: 0x05},
	];
	writeMbr(disk, links, 100 * 512);
	const table = tableOf(t, disk);
	t.deepEqual(extents(table), [[5, 101 * 512, 10 * 512]]);
	t.deepEqual(table.problems, [
		'there is no table of logical partitions at sector 4294901860',
		'there is no table of logical partitions at sector 4294967295',
	]);
});

test('the boot sector of a FAT file system is no partition table', t => {
	const disk = new Uint8Array(mebibyte);
	disk.set(Buffer.from('\xeb\x3c\x90mkfs.fat', 'latin1'));
	disk.fill(0x6e, 446, 510); // The text of its boot program: no status byte.
	disk.set([0x55, 0xaa], 510);
	t.is(readPartitionTable(new MemoryDevice(disk)), undefined);
});

test('a signature without a partition is no partition table', t => {
	const disk = new Uint8Array(mebibyte);
	disk.set([0x55, 0xaa], 510);
	t.is(readPartitionTable(new MemoryDevice(disk)), undefined);
});

for (const size of [0, 1, 511]) {
	test(`a disk of ${size} bytes has no partition table`, t => {
		t.is(readPartitionTable(new MemoryDevice(new Uint8Array(size))), undefined);
	});
}

for (const sectorSize of [512, 4096]) {
	test(`GPT with sectors of ${sectorSize} bytes`, t => {
		const disk = new Uint8Array(2 * mebibyte);
		const first = 131072 / sectorSize;
		writeGpt(
			disk,
			[
				{first, last: first + 9, name: 'root'},
				{first: first + 20, last: first + 20, name: 'größer', number: 7},
			],
			{sectorSize},
		);
		const table = tableOf(t, disk);
		t.is(table.scheme, 'gpt');
		t.is(table.sectorSize, sectorSize);
		t.deepEqual(table.problems, []);
		t.deepEqual(table.partitions, [
			{
				number: 1,
				startBytes: 131072,
				sizeBytes: 10 * sectorSize,
				type: '0fc63daf-8483-4772-8e79-3d69d8477de4',
				name: 'root',
			},
			{
				number: 7,
				startBytes: 131072 + 20 * sectorSize,
				sizeBytes: sectorSize,
				type: '0fc63daf-8483-4772-8e79-3d69d8477de4',
				name: 'größer',
			},
		]);
	});

	test(`GPT with sectors of ${sectorSize} bytes is read from its backup`, t => {
		const disk = new Uint8Array(2 * mebibyte);
		const first = 131072 / sectorSize;
		writeGpt(disk, [{first, last: first + 9}], {sectorSize});
		disk.fill(0, sectorSize, sectorSize + 512);
		const table = tableOf(t, disk);
		t.deepEqual(extents(table), [[1, 131072, 10 * sectorSize]]);
		t.regex(
			table.problems[0] ?? '',
			/primary GPT header has no GPT signature; the backup at sector/,
		);
	});
}

const damages: readonly {name: string; expected: RegExp; at: (disk: Uint8Array) => number}[] = [
	{name: 'a header', expected: /has a wrong checksum/, at: () => 512 + 40},
	{name: 'an entry', expected: /entries with a wrong checksum/, at: () => 1024 + 40},
];
for (const {name, expected, at} of damages) {
	test(`damage to ${name} of the primary GPT is noticed, and the backup used`, t => {
		const disk = new Uint8Array(mebibyte);
		writeGpt(disk, [{first: 100, last: 199}]);
		const where = at(disk);
		disk[where] = (disk[where] ?? 0) ^ 1;
		const table = tableOf(t, disk);
		t.deepEqual(extents(table), [[1, 51200, 51200]]);
		t.regex(table.problems[0] ?? '', expected);
	});
}

test('the backup is found where a smaller disk ended', t => {
	const disk = new Uint8Array(2 * mebibyte);
	writeGpt(disk.subarray(0, mebibyte), [{first: 100, last: 199}]);
	disk.fill(0, 512, 1024);
	t.deepEqual(extents(tableOf(t, disk)), [[1, 51200, 51200]]);
});

test('GPT damaged in both places is named, not guessed at', t => {
	const disk = new Uint8Array(mebibyte);
	writeGpt(disk, [{first: 100, last: 199}]);
	disk.fill(0, 512, 1024);
	disk.fill(0, mebibyte - 512);
	const table = readPartitionTable(new MemoryDevice(disk));
	t.is(table?.scheme, 'damaged');
});

const absurd: readonly {name: string; adjust: (header: DataView) => void; expected: RegExp}[] = [
	{name: 'no length', adjust: header => header.setUint32(12, 0, true), expected: /0 bytes long/},
	{
		name: 'a great length',
		adjust: header => header.setUint32(12, 513, true),
		expected: /513 bytes/,
	},
	{name: 'entries of no size', adjust: header => header.setUint32(84, 0, true), expected: /of 0 b/},
	{name: 'odd entries', adjust: header => header.setUint32(84, 200, true), expected: /of 200 b/},
	{
		name: 'a million entries',
		adjust: header => header.setUint32(80, 1e6, true),
		expected: /1000000 entries/,
	},
	{
		name: 'entries beyond the disk',
		adjust: header => header.setBigUint64(72, 0x1fff_ffff_ffff_ffffn, true),
		expected: /at byte/,
	},
	{
		name: 'another place than its own',
		adjust: header => header.setBigUint64(24, 7n, true),
		expected: /another place/,
	},
];
for (const {name, adjust, expected} of absurd) {
	test(`a GPT header with ${name} is refused although its checksum is right`, t => {
		const disk = new Uint8Array(mebibyte);
		writeGpt(disk, [{first: 100, last: 199}], {adjust});
		const table = readPartitionTable(new MemoryDevice(disk));
		if (table?.scheme !== 'damaged') return t.fail();
		t.regex(table.problem, expected);
	});
}

test('a GPT partition that ends before it starts, or is larger than a number can say, is left out', t => {
	const disk = new Uint8Array(mebibyte);
	writeGpt(disk, [
		{first: 200, last: 100},
		{first: 100, last: 2 ** 53 - 1},
		{first: 300, last: 300},
	]);
	const table = tableOf(t, disk);
	t.deepEqual(extents(table), [[3, 300 * 512, 512]]);
	t.is(table.problems.length, 2);
});

test('of a hybrid table GPT is what counts', t => {
	const disk = new Uint8Array(mebibyte);
	writeGpt(disk, [{first: 100, last: 199}]);
	writeMbr(disk, [
		{start: 1, length: 33, type: 0xee},
		{start: 500, length: 50},
	]);
	t.is(tableOf(t, disk).scheme, 'gpt');
});

test('a GPT that the MBR does not protect is not looked at', t => {
	const disk = new Uint8Array(mebibyte);
	writeGpt(disk, [{first: 100, last: 199}]);
	writeMbr(disk, [{start: 500, length: 50}]);
	t.deepEqual(extents(tableOf(t, disk)), [[1, 256000, 25600]]);
});

test('a partition that reaches beyond the disk is cut, one that starts there has no window', t => {
	const device = new MemoryDevice(new Uint8Array(10000));
	const partition = {number: 1, type: '0x83', name: ''};
	t.is(windowOf(device, {...partition, startBytes: 9000, sizeBytes: 5000})?.sizeBytes, 1000);
	t.is(windowOf(device, {...partition, startBytes: 10000, sizeBytes: 512}), undefined);
});

test('whatever bytes change in a table, reading it ends, in windows that lie on the disk', t => {
	let state = 20261121;
	const random = (below: number) => {
		// Any sequence does; this one is that of xorshift.
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		return (state >>> 0) % below;
	};
	const disks = [diskWithLogical(), gptDisk()];
	const seen = new Map<string, number>();
	for (let round = 0; round < 3000; round++) {
		const disk = Uint8Array.from(disks[round % 2] ?? new Uint8Array());
		// Where the tables lie: the first sectors, and those of the logical partitions.
		const places = [446, 512, 1024, 200 * 512 + 446, 300 * 512 + 446, 600 * 512 + 446];
		for (let change = 0; change <= random(6); change++) {
			const at = (places[random(places.length)] ?? 0) + random(64);
			disk[at] = random(256);
		}
		const device = new MemoryDevice(disk);
		const table = readPartitionTable(device);
		seen.set(table?.scheme ?? 'none', (seen.get(table?.scheme ?? 'none') ?? 0) + 1);
		if (table === undefined || table.scheme === 'damaged') continue;
		for (const partition of table.partitions) {
			const window = windowOf(device, partition);
			if (window !== undefined) t.true(window.startBytes + window.sizeBytes <= disk.length);
		}
	}
	t.log([...seen].map(([scheme, count]) => `${scheme} ${count}`).join(', '));
	t.true((seen.get('mbr') ?? 0) > 500);
	t.true((seen.get('gpt') ?? 0) > 500);
});

function writeTemporary(t: ExecutionContext, disk: Uint8Array): string {
	const directory = fs.mkdtempSync(join(tmpdir(), 'ext4box-partitions-'));
	t.teardown(() => fs.rmSync(directory, {recursive: true}));
	const path = join(directory, 'disk');
	fs.writeFileSync(path, disk);
	return path;
}

/** What partx (util-linux) reads from the same bytes: number, first byte, bytes. */
function partxSays(path: string): number[][] {
	const columns = 'NR,START,SECTORS';
	const found = spawnSync('partx', ['--raw', '--noheadings', '--output', columns, path], {
		encoding: 'utf8',
	});
	return found.stdout
		.trim()
		.split('\n')
		.map(line => line.split(' ').map(Number))
		.map(([number = 0, start = 0, sectors = 0]) => [number, start * 512, sectors * 512]);
}

for (const [name, disk] of [
	['MBR with logical partitions', diskWithLogical()],
	['GPT', gptDisk()],
] as const) {
	testUnless(missing('partx'), `partx reads the same as we do from ${name} made here`, t => {
		const says = partxSays(writeTemporary(t, disk));
		const ours = extents(tableOf(t, disk));
		t.deepEqual(
			says.filter(([number]) => ours.some(each => each[0] === number)),
			ours,
		);
	});
}

function gptDisk(): Uint8Array {
	const disk = new Uint8Array(mebibyte);
	writeGpt(disk, [
		{first: 100, last: 199},
		{first: 300, last: 999, number: 5},
	]);
	return disk;
}

const sfdiskScripts: readonly (readonly [string, string])[] = [
	[
		'dos',
		'label: dos\nstart=2048, size=4096, type=83\nstart=8192, size=20480, type=5\nstart=10240, size=2048, type=83\nstart=14336, size=4096, type=83\nstart=28672, size=2048, type=82\n',
	],
	['gpt', 'label: gpt\nstart=2048, size=4096, name="one"\nstart=8192, size=8192, name="two"\n'],
];
for (const [label, script] of sfdiskScripts) {
	testUnless(missing('sfdisk'), `a ${label} table made by sfdisk is read as sfdisk reads it`, t => {
		const path = writeTemporary(t, new Uint8Array(16 * mebibyte));
		const made = spawnSync('sfdisk', ['--quiet', path], {input: script, encoding: 'utf8'});
		t.is(made.status, 0, made.stderr);
		type Listing = {partitiontable: {partitions: {node: string; start: number; size: number}[]}};
		const listed = spawnSync('sfdisk', ['--json', path], {encoding: 'utf8'}).stdout;
		const expected = (JSON.parse(listed) as Listing).partitiontable.partitions
			.map(({node, start, size}) => [Number(node.slice(path.length)), start * 512, size * 512])
			.filter(([number]) => label !== 'dos' || number !== 2); // The extended one holds no files.
		t.deepEqual(extents(tableOf(t, fs.readFileSync(path))), expected);
	});
}
