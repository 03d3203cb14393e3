/**
 * Disks with partition tables that lie: MBR with logical partitions, GPT with its copies. What they
 * say is read and looked into; every window lies inside the disk.
 */
import crc32 from 'crc-32';
import {isExpectedError, Volume} from '../../ext4/index.ts';
import {identify, readPartitionTable, windowOf} from '../../images/index.ts';
import {writeExtMark, writeGpt, writeMbr} from '../support/partition-tables.ts';
import {GuardedDevice} from './guarded-device.ts';
import {Patch} from './patch.ts';
import {Random} from './random.ts';

const diskBytes = 256 << 10;
const sectorBytes = 512;
const sectors = diskBytes / sectorBytes;
const partitionsMax = 1000;

const empty = new Uint8Array(diskBytes);
const patch = new Patch(new Uint8Array(diskBytes));

function anySector(random: Random): number {
	const edges = [0, 1, 2, 3, 34, 63, 64, sectors - 1, sectors, sectors + 1, 2 ** 31, 2 ** 32 - 1];
	return random.chance(0.6) ? random.below(sectors) : random.pick(edges);
}

function anyEntries(random: Random): {start: number; length: number; type: number}[] {
	return Array.from({length: 1 + random.below(4)}, () => ({
		start: anySector(random),
		length: anySector(random),
		type: random.pick([0x83, 0x83, 5, 0xf, 0x85, 0xee, 0, random.below(256)]),
	}));
}

function writeTables(disk: Uint8Array, random: Random): void {
	if (random.chance(0.5)) {
		writeMbr(disk, anyEntries(random));
		// Extended partitions are chains of tables; a place may come up twice and close a circle.
		for (let count = random.below(6); count > 0; count--) {
			writeMbr(disk, anyEntries(random).slice(0, 2), random.below(sectors) * sectorBytes);
		}
	} else {
		const entryCount = random.pick([0, 1, 4, 128, 200]);
		const partitions = Array.from({length: Math.min(entryCount, random.below(5))}, () => ({
			first: anySector(random),
			last: anySector(random),
			name: 'a name'.repeat(random.below(6)),
		}));
		writeGpt(disk, partitions, {
			entryCount,
			entrySize: 128,
			adjust: header => {
				if (random.chance(0.6)) return;
				const at = random.pick([12, 24, 32, 40, 48, 72, 80, 84]);
				header.setUint32(at, random.pick([anySector(random), 128, 0]), true);
			},
		});
	}
	writeExtMark(disk, random.below(sectors - 4) * sectorBytes, 'a label');
}

function damage(disk: Uint8Array, random: Random): void {
	for (let count = random.below(8); count > 0; count--) {
		const at = random.chance(0.5) ? random.below(2048) : disk.length - 1 - random.below(2048);
		disk[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
	}
	if (random.chance(0.5)) {
		// The sum of a header that was damaged is made right again.
		const header = disk.subarray(sectorBytes, sectorBytes + 92);
		const view = new DataView(header.buffer, header.byteOffset, header.length);
		view.setUint32(16, 0, true);
		view.setUint32(16, crc32.buf(header) >>> 0, true);
	}
}

/** Throws what no disk may provoke. */
export function driveDisks(seeds: readonly number[]): {codes: Set<string>; wasBelieved: boolean} {
	const codes = new Set<string>();
	patch.bytes.set(empty);
	for (const seed of seeds) {
		const random = new Random(seed);
		writeTables(patch.bytes, random);
		damage(patch.bytes, random);
	}
	const device = new GuardedDevice(patch, true);
	identify(device);
	const table = readPartitionTable(device, seeds.length % 2 === 0 ? 512 : 4096);
	if (table === undefined) return {codes, wasBelieved: false};
	if (table.scheme === 'damaged') return {codes: codes.add('damaged'), wasBelieved: false};
	if (table.partitions.length > partitionsMax) throw new Error(`${table.partitions.length} found`);
	for (const partition of table.partitions) {
		const window = windowOf(device, partition);
		if (window === undefined) continue;
		identify(window);
		try {
			Volume.open(window);
		} catch (error) {
			if (!isExpectedError(error)) throw error;
			codes.add(error.code);
		}
	}
	return {codes, wasBelieved: true};
}
