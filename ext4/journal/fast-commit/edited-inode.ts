/** An inode that is being changed: its bytes, and its mapping as a list of runs. */
import {crc32cOf} from '../../checksum.ts';
import {
	decodeTimestamp,
	ext4_inode,
	type Inode,
	inodeBaseSize,
	inodeChecksumHighAt,
	inodeChecksumLowAt,
	inodeFlags,
} from '../../layout/inode.ts';
import type {Run} from '../../mapping/run.ts';
import type {Volume} from '../../volume.ts';
import type {ReplayBounds} from './bounds.ts';
import type {DirectoryEdits} from './directory-edits.ts';
import {applyChanges, type MappedRun, readMappingBlocks, readRuns} from './runs.ts';

const fields = ext4_inode.fields;
const typeMask = 0xf000;
const directoryMode = 0x4000;
const fileMode = 0x8000;
const linkCountMax = 65_000;
/** The file_type of a directory entry, by the four upper bits of i_mode. */
const entryTypes: readonly number[] = [0, 5, 3, 0, 2, 0, 4, 0, 1, 0, 7, 0, 6, 0, 0, 0];

/** Whether i_block maps blocks, rather than holding a short symlink, a device or data. */
function hasMapping(inode: Inode): boolean {
	if ((inode.flags & inodeFlags.inlineData) !== 0) return false;
	if ((inode.flags & inodeFlags.extents) !== 0) return true;
	if (inode.type === 'symlink') return inode.sizeBytes >= fields.i_block.length;
	return inode.type === 'file' || inode.type === 'directory';
}

/** Blocks that a mapping led to, and those that it lay in itself. */
export type FormerMapping = {
	readonly runs: readonly MappedRun[];
	readonly nodes: readonly number[];
};

/** A time as an inode stores it. */
export type StoredTime = {readonly seconds: number; readonly extra: number};

function isLater(a: StoredTime, b: StoredTime): boolean {
	const timeA = decodeTimestamp(a.seconds, a.extra);
	const timeB = decodeTimestamp(b.seconds, b.extra);
	if (timeA.seconds !== timeB.seconds) return timeA.seconds > timeB.seconds;
	return timeA.nanoseconds > timeB.nanoseconds;
}

export class EditedInode {
	readonly number: number;
	/** As many as the volume's inodes have. */
	readonly bytes: Uint8Array;
	readonly view: DataView;
	/** As it was before; undefined where it was not in use. */
	readonly base: Inode | undefined;
	/** What changes in its entries; only for a directory, from its first change on. */
	directory: DirectoryEdits | undefined;
	readonly #volume: Volume;
	readonly #bounds: ReplayBounds;
	#runs: readonly MappedRun[] | undefined;
	/** Changes of the mapping that `#runs` does not have yet. */
	#changes: Run[] = [];
	#former: FormerMapping | undefined;

	/** Throws `CorruptError` for an inode in use that can't be read, `DeviceError`. */
	constructor(volume: Volume, number: number, isUsed: boolean, bounds: ReplayBounds) {
		const {inodeSize} = volume.geometry;
		this.#volume = volume;
		this.#bounds = bounds;
		this.number = number;
		this.base = isUsed ? volume.readReservedInode(number) : undefined;
		if (isUsed) {
			const {block, at} = volume.locateInode(number);
			this.bytes = block.bytes.slice(at, at + inodeSize);
		} else {
			// What lies there was never written, or belonged to a file that is gone.
			this.bytes = new Uint8Array(inodeSize);
		}
		this.view = new DataView(this.bytes.buffer);
	}

	get flags(): number {
		return this.view.getUint32(fields.i_flags.at, true);
	}

	set flags(value: number) {
		this.view.setUint32(fields.i_flags.at, value, true);
	}

	get linkCount(): number {
		return this.view.getUint16(fields.i_links_count.at, true);
	}

	set linkCount(value: number) {
		this.view.setUint16(fields.i_links_count.at, value, true);
	}

	get generation(): number {
		return this.view.getUint32(fields.i_generation.at, true);
	}

	get isDirectory(): boolean {
		return (this.#mode & typeMask) === directoryMode;
	}

	/** Whether i_block holds data, a target or a device, rather than a mapping of blocks. */
	get holdsData(): boolean {
		if ((this.flags & inodeFlags.inlineData) !== 0) return true;
		if ((this.flags & inodeFlags.extents) !== 0) return false;
		const type = this.#mode & typeMask;
		return type !== directoryMode && type !== fileMode;
	}

	/** The file_type of entries that lead here. */
	get entryType(): number {
		return entryTypes[this.#mode >>> 12] ?? 0;
	}

	get #mode(): number {
		return this.view.getUint16(fields.i_mode.at, true);
	}

	/** The seed of its own checksum and of its blocks'; undefined without metadata_csum. */
	get checksumSeed(): number | undefined {
		if (!this.#volume.features.has('metadata_csum')) return undefined;
		return this.#volume.inodeChecksumSeed(this.number, this.generation);
	}

	set sizeBytes(value: number) {
		this.view.setUint32(fields.i_size_lo.at, value % 2 ** 32, true);
		this.view.setUint32(fields.i_size_high.at, Math.floor(value / 2 ** 32), true);
	}

	/** Physical block of its attributes; 0 where it has none. */
	get xattrBlock(): number {
		const low = this.view.getUint32(fields.i_file_acl_lo.at, true);
		const hasHigh = this.#volume.features.has('64bit');
		return low + (hasHigh ? this.view.getUint16(fields.l_i_file_acl_high.at, true) * 2 ** 32 : 0);
	}

	/** The mapping, ascending, with all changes made. */
	get runs(): readonly MappedRun[] {
		if (this.#changes.length > 0) {
			this.#runs = applyChanges(this.#openRuns(), this.#changes);
			this.#changes = [];
		}
		return this.#openRuns();
	}

	/** What the mapping took before it was changed, data and nodes; undefined while it was not. */
	get former(): FormerMapping | undefined {
		return this.#former;
	}

	/** Notes that the mapping is not what it was; every change does. */
	markMappingChanged(): void {
		this.#former ??= {runs: this.#openRuns(), nodes: this.mappingBlocks()};
	}

	/** Maps blocks anew, or, by a hole, to nothing. */
	changeMapping(change: Run): void {
		this.markMappingChanged();
		this.#changes.push(change);
	}

	clearMapping(): void {
		this.markMappingChanged();
		this.#changes = [];
		this.#runs = [];
	}

	/** Where the mapping itself lay before any change. */
	mappingBlocks(): readonly number[] {
		const {base} = this;
		if (base === undefined || !hasMapping(base)) return [];
		return readMappingBlocks(this.#volume, base, this.#bounds);
	}

	/** When the inode was last changed, as it is stored: the seconds, then what extends them. */
	get changeTime(): StoredTime {
		return {
			seconds: this.view.getInt32(fields.i_ctime.at, true),
			extra: this.#hasExtra(fields.i_ctime_extra.at)
				? this.view.getUint32(fields.i_ctime_extra.at, true)
				: 0,
		};
	}

	/** Sets the times of modification and change to `time`, if that is later than they are. */
	advanceTimes(time: StoredTime): void {
		if (!isLater(time, this.changeTime)) return;
		for (const [at, extraAt] of [
			[fields.i_ctime.at, fields.i_ctime_extra.at],
			[fields.i_mtime.at, fields.i_mtime_extra.at],
		] as const) {
			this.view.setInt32(at, time.seconds, true);
			if (this.#hasExtra(extraAt)) this.view.setUint32(extraAt, time.extra, true);
		}
	}

	/** Whether the inode has the four bytes at `at`, which old ones lack. */
	#hasExtra(at: number): boolean {
		if (this.bytes.length === inodeBaseSize) return false;
		const end = inodeBaseSize + this.view.getUint16(fields.i_extra_isize.at, true);
		return at + 4 <= Math.min(end, this.bytes.length);
	}

	/** A directory has one more or one less below it; it stops counting where it can't go on. */
	countSubdirectory(step: 1 | -1): void {
		const count = this.linkCount;
		if (count === 1) return; // More than it could count.
		this.linkCount = count + step > linkCountMax ? 1 : Math.max(count + step, 2);
	}

	/** Makes it an inode that is not in use. `deletionTime` must not be 0. */
	clear(deletionTime: number): void {
		const {generation} = this;
		this.clearMapping();
		this.directory = undefined;
		this.bytes.fill(0);
		this.view.setUint32(fields.i_generation.at, generation, true);
		this.view.setUint32(fields.i_dtime.at, deletionTime, true);
	}

	/** Writes i_blocks. `clusterCount` counts all that the inode holds. */
	setClusterCount(clusterCount: number): void {
		const {clusterSize, blockSize} = this.#volume.geometry;
		const unit = (this.flags & inodeFlags.hugeFile) !== 0 ? blockSize : 512;
		const value = (clusterCount * clusterSize) / unit;
		this.view.setUint32(fields.i_blocks_lo.at, value % 2 ** 32, true);
		if (!this.#volume.features.has('huge_file')) return;
		this.view.setUint16(fields.l_i_blocks_high.at, Math.floor(value / 2 ** 32), true);
	}

	/** Makes its checksum right. */
	seal(): void {
		const seed = this.checksumSeed;
		if (seed === undefined) return;
		const hasHigh = this.#hasExtra(fields.i_extra_isize.at);
		this.view.setUint16(inodeChecksumLowAt, 0, true);
		if (hasHigh) this.view.setUint16(inodeChecksumHighAt, 0, true);
		const sum = crc32cOf(seed, this.bytes);
		this.view.setUint16(inodeChecksumLowAt, sum & 0xffff, true);
		if (hasHigh) this.view.setUint16(inodeChecksumHighAt, sum >>> 16, true);
	}

	#openRuns(): readonly MappedRun[] {
		const {base} = this;
		this.#runs ??=
			base !== undefined && hasMapping(base) ? readRuns(this.#volume, base, this.#bounds) : [];
		return this.#runs;
	}
}
