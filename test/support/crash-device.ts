/**
 * A device in memory that remembers every write and every flush, and afterwards shows what could
 * have been on the medium had the power failed at any moment.
 *
 * What a crash may leave, as a disk with a volatile cache behaves:
 * - everything written before the last flush that had returned is there;
 * - of what was written since, each piece may be there or not, in any combination;
 * - a piece that was being written may be there in part, in whole sectors of 512 bytes.
 *
 * Use:
 *
 *     const device = new CrashDevice<number>(image);      // the image itself stays as it is
 *     const volume = openForWriting(device, …);
 *     …; device.mark(1); …; device.mark(2);               // what the workload knows by then
 *     for (const crash of crashesOf(device, {seed: 1, lossesPerEpoch: 4})) {
 *       if (seen.has(crash.key)) continue;                // a state is judged once
 *       seen.add(crash.key);
 *       judge(crash.image(), crash.mark);                 // a copy: replay into it at will
 *     }
 *
 * `mark(value)` is for the judge: `crash.mark` is the last value marked before the crash. Mark what
 * must survive when the call that promises it has returned (`sync`), and what may have happened
 * before the call that does it; then what is found must lie between the two.
 *
 * All is deterministic: the same base, writes and options give the same crashes in the same order.
 */
import {createHash} from 'node:crypto';
import type {BlockDevice} from '../../ext4/device.ts';
import {DeviceError} from '../../ext4/errors.ts';
import {Random} from '../fuzz/random.ts';

const sectorBytes = 512;
/** Requests are cut at multiples of this: a device promises nothing about longer ones. */
const pieceBytes = 4096;

/** What lies in a sector; its hash is worked out once, if at all. */
class Sector {
	readonly bytes: Uint8Array;
	readonly #number: number;
	#hash: readonly [number, number] | undefined;

	constructor(number: number, bytes: Uint8Array) {
		this.#number = number;
		this.bytes = bytes;
	}

	get hash(): readonly [number, number] {
		this.#hash ??= hashOf(this.#number, this.bytes);
		return this.#hash;
	}
}

type Write = {
	readonly kind: 'write';
	readonly position: number;
	readonly bytes: Uint8Array;
	/** The sectors that it covers in full, by number, where they were asked for. */
	readonly sectors: Map<number, Sector>;
};
type Event<M> = Write | {readonly kind: 'flush'} | {readonly kind: 'mark'; readonly value: M};

export class CrashDevice<M = undefined> implements BlockDevice {
	readonly isReadOnly = false;
	/** How it was before the first write. */
	readonly base: Uint8Array;
	/** As all writes have left it. */
	readonly bytes: Uint8Array;
	/** In order; each write at most 4 KiB, inside an aligned 4 KiB. */
	readonly events: Event<M>[] = [];
	/** Requests to write and to flush so far, scattered ones counted once. */
	readonly counts = {writes: 0, flushes: 0};

	constructor(base: Uint8Array) {
		this.base = base;
		this.bytes = base.slice();
	}

	get sizeBytes(): number {
		return this.bytes.length;
	}

	/** Notes a value that crashes from here on carry. */
	mark(value: M): void {
		this.events.push({kind: 'mark', value});
	}

	read(position: number, into: Uint8Array): void {
		this.#assertInside(position, into.length);
		into.set(this.bytes.subarray(position, position + into.length));
	}

	readScattered(position: number, into: readonly Uint8Array[]): void {
		let at = position;
		for (const bytes of into) {
			this.read(at, bytes);
			at += bytes.length;
		}
	}

	write(position: number, from: Uint8Array): void {
		this.writeScattered(position, [from]);
	}

	writeScattered(position: number, from: readonly Uint8Array[]): void {
		this.counts.writes++;
		let at = position;
		for (const bytes of from) {
			this.#assertInside(at, bytes.length);
			this.bytes.set(bytes, at);
			at += bytes.length;
		}
		for (let start = position; start < at; ) {
			const end = Math.min(at, start - (start % pieceBytes) + pieceBytes);
			const piece = this.bytes.slice(start, end);
			this.events.push({kind: 'write', position: start, bytes: piece, sectors: new Map()});
			start = end;
		}
	}

	flush(): void {
		this.counts.flushes++;
		this.events.push({kind: 'flush'});
	}

	close(): void {
		// There is nothing to give back.
	}

	#assertInside(position: number, length: number): void {
		if (position < 0 || position + length > this.bytes.length) {
			throw new DeviceError('beyond the end of the device', position, length);
		}
	}
}

export type CrashOptions = {
	readonly seed: number;
	/** A crash after each piece written, in the order of writing; so by default. */
	readonly prefixes?: boolean;
	/** For each stretch between two flushes, so many crashes that lose random pieces of it. */
	readonly lossesPerEpoch?: number;
	/** The same, and each piece that survives may have lost random sectors. */
	readonly tornPerEpoch?: number;
	/** After each mark a crash that loses all that no flush has reached: what a promise must bear. */
	readonly losesAllAtMarks?: boolean;
	/**
	 * Bytes whose sectors are never torn from each other, from and up to. The superblock's, from 1,024
	 * to 2,048, where it has a checksum: it is one number over two sectors, which no order of writing
	 * can keep right; the kernel relies on disks there, too.
	 */
	readonly untorn?: {readonly from: number; readonly to: number};
};

/** Where in its life the device is: events so far, the last mark, how many there were. */
type Moment<M> = {readonly at: number; readonly mark: M | undefined; readonly marks: number};

export type CrashKind = 'prefix' | 'loss' | 'torn';

/** What the medium may hold after one crash. Good until the next one is asked for. */
export class Crash<M> {
	readonly kind: CrashKind;
	/** Events (writes, flushes, marks) that had happened: an index into `CrashDevice.events`. */
	readonly at: number;
	/** The last value marked before; undefined before the first. */
	readonly mark: M | undefined;
	readonly #marks: number;
	readonly #medium: Medium;
	readonly #pieces: readonly Piece[];
	#laidOver: ReadonlyMap<number, Sector> | undefined;
	#key: string | undefined;

	constructor(
		kind: CrashKind,
		{at, mark, marks}: Moment<M>,
		medium: Medium,
		pieces: readonly Piece[],
	) {
		this.kind = kind;
		this.at = at;
		this.mark = mark;
		this.#marks = marks;
		this.#medium = medium;
		this.#pieces = pieces;
	}

	get #sectors(): ReadonlyMap<number, Sector> {
		this.#laidOver ??= this.#medium.overlay(this.#pieces);
		return this.#laidOver;
	}

	/** The same for the same contents at the same mark, and in all likelihood for no others. */
	get key(): string {
		this.#key ??= `${this.#medium.keyWith(this.#sectors)}-${this.#marks}`;
		return this.#key;
	}

	/** The whole image, a copy of its own. */
	image(): Uint8Array {
		const bytes = this.#medium.bytes.slice();
		for (const [number, sector] of this.#sectors) bytes.set(sector.bytes, number * sectorBytes);
		return bytes;
	}

	/** For a failure's message: enough to find it again with the same seed. */
	toString(): string {
		return `${this.kind} crash at event ${this.at}, ${this.#sectors.size} unflushed sectors, ${this.key}`;
	}
}

/** A write, or some sectors of one: `holds` says which, counted from the write's first. */
type Piece = {readonly write: Write; readonly holds?: (sector: number) => boolean};

/** What is on the medium for sure. */
class Medium {
	readonly bytes: Uint8Array;
	/** Of every sector that differs from the base, or did. */
	readonly #hashes = new Map<number, readonly [number, number]>();
	#key: readonly [number, number] = [0, 0];

	constructor(base: Uint8Array) {
		this.bytes = base.slice();
	}

	/** The sectors that `pieces` change, as they leave them. */
	overlay(pieces: readonly Piece[]): Map<number, Sector> {
		const sectors = new Map<number, Sector>();
		for (const {write, holds} of pieces) {
			const first = Math.floor(write.position / sectorBytes);
			const end = Math.ceil((write.position + write.bytes.length) / sectorBytes);
			for (let number = first; number < end; number++) {
				if (holds?.(number - first) === false) continue;
				sectors.set(number, this.#written(write, number, sectors.get(number)));
			}
		}
		return sectors;
	}

	/** Sector `number` after `write`, which touches it; `before` where it differs from the medium. */
	#written(write: Write, number: number, before: Sector | undefined): Sector {
		const start = number * sectorBytes;
		const from = Math.max(0, write.position - start);
		const to = Math.min(sectorBytes, write.position + write.bytes.length - start);
		const skipped = start + from - write.position;
		const bytes = write.bytes.subarray(skipped, skipped + to - from);
		if (bytes.length === sectorBytes) {
			const known = write.sectors.get(number) ?? new Sector(number, bytes);
			write.sectors.set(number, known);
			return known;
		}
		const contents = (before?.bytes ?? this.bytes.subarray(start, start + sectorBytes)).slice();
		contents.set(bytes, from);
		return new Sector(number, contents);
	}

	/** A key for the contents with `sectors` laid over: hashes of sectors, in no order. */
	keyWith(sectors: ReadonlyMap<number, Sector>): string {
		const [high, low] = this.#with(sectors, () => undefined);
		return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
	}

	/** A flush has returned: `writes` are on the medium. */
	settle(writes: readonly Write[]): void {
		const sectors = this.overlay(writes.map(write => ({write})));
		this.#key = this.#with(sectors, (sector, hash) => this.#hashes.set(sector, hash));
		for (const [number, {bytes}] of sectors) this.bytes.set(bytes, number * sectorBytes);
	}

	#with(
		sectors: ReadonlyMap<number, Sector>,
		note: (sector: number, hash: readonly [number, number]) => void,
	): readonly [number, number] {
		let [high, low] = this.#key;
		for (const [number, {hash: after}] of sectors) {
			const before = this.#hashes.get(number) ?? this.#hashAt(number);
			high = (high ^ before[0] ^ after[0]) >>> 0;
			low = (low ^ before[1] ^ after[1]) >>> 0;
			note(number, after);
		}
		return [high, low];
	}

	#hashAt(sector: number): readonly [number, number] {
		const start = sector * sectorBytes;
		return hashOf(sector, this.bytes.subarray(start, start + sectorBytes));
	}
}

function hashOf(sector: number, contents: Uint8Array): readonly [number, number] {
	const digest = createHash('sha1').update(String(sector)).update(contents).digest();
	return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}

/**
 * Every crash of what `device` went through that `options` ask for, in the order of time. Nothing
 * is copied before `image()` is called.
 */
export function* crashesOf<M>(device: CrashDevice<M>, options: CrashOptions): Generator<Crash<M>> {
	const random = new Random(options.seed);
	const medium = new Medium(device.base);
	const hasPrefixes = options.prefixes !== false;
	/** Written and not flushed. */
	let epoch: Pending<M>[] = [];
	let moment: Moment<M> = {at: 0, mark: undefined, marks: 0};
	if (hasPrefixes) yield new Crash('prefix', moment, medium, epoch);
	for (const event of device.events) {
		moment = {...moment, at: moment.at + 1};
		if (event.kind === 'flush') {
			yield* lossesOf(epoch, medium, random, options);
			medium.settle(epoch.map(({write}) => write));
			epoch = [];
			continue; // The contents are those of the crash before.
		}
		if (event.kind === 'mark') moment = {...moment, mark: event.value, marks: moment.marks + 1};
		else epoch.push({write: event, moment});
		if (hasPrefixes) yield new Crash('prefix', moment, medium, epoch);
		if (event.kind === 'mark' && options.losesAllAtMarks === true) {
			yield new Crash('loss', moment, medium, []);
		}
	}
	yield* lossesOf(epoch, medium, random, options);
}

type Pending<M> = Piece & {readonly moment: Moment<M>};

function* lossesOf<M>(
	epoch: readonly Pending<M>[],
	medium: Medium,
	random: Random,
	{lossesPerEpoch = 0, tornPerEpoch = 0, untorn = {from: 0, to: 0}}: CrashOptions,
): Generator<Crash<M>> {
	if (epoch.length === 0) return;
	for (let count = 0; count < lossesPerEpoch + tornPerEpoch; count++) {
		const isTorn = count >= lossesPerEpoch;
		const last = random.pick(epoch);
		const written = epoch.slice(0, epoch.indexOf(last) + 1);
		const chance = random.pick([0.1, 0.5, 0.9]);
		const pieces: Piece[] = [];
		for (const {write} of written) {
			if (!random.chance(chance)) continue;
			if (!isTorn) {
				pieces.push({write});
				continue;
			}
			const mask = random.u32(); // A piece has at most nine sectors.
			const first = Math.floor(write.position / sectorBytes);
			const holds = (sector: number) => {
				const at = (first + sector) * sectorBytes;
				const isTogether = at >= untorn.from && at < untorn.to;
				return ((mask >>> (isTogether ? 31 : sector)) & 1) === 1;
			};
			pieces.push({write, holds});
		}
		yield new Crash(isTorn ? 'torn' : 'loss', last.moment, medium, pieces);
	}
}
