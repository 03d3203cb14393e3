/**
 * Multi-mount protection: a block whose number changes every few seconds while the file system is
 * in use, so that a second host which shares the device keeps away. Kernel documentation,
 * "Multiple Mount Protection".
 *
 *   clean ── take ──► a number of ours ── update, every few seconds ──► the next ── release ──► clean
 *   any other number ── take: wait; it has changed ──► EBUSY
 *                                   it has not: its user is gone ──► a number of ours ─► wait again
 *
 * What a second host writes is seen only where reads go to the medium: `readFromMedium`.
 */
import {crc32cOf} from './checksum.ts';
import {CorruptError, FileError} from './errors.ts';
import type {Timestamp} from './layout/inode.ts';
import {mmp_struct, mmpMagic, mmpSequence} from './layout/mmp.ts';
import {ext4_super_block} from './layout/superblock.ts';
import type {Volume} from './volume.ts';

export type MultiMountProtectionOptions = {
	/** Returns after so many milliseconds; may throw to give up waiting. */
	readonly sleep: (milliseconds: number) => void;
	/** This host's name, and what it calls the device: they tell others who is in the way. */
	readonly nodeName: string;
	readonly deviceName: string;
	/** Reads past the caches of this host; the device's own `read` where there are none. */
	readonly readFromMedium?: (position: number, into: Uint8Array) => void;
};

type Sources = {
	readonly clock: () => Timestamp;
	readonly randomUint32: () => number;
};

/** Seconds. */
const updateIntervalDefault = 5;
const checkIntervalMin = 5;
/** Twice the longest interval of updates that tune2fs sets. */
const checkIntervalMax = 600;

const checksumAt = mmp_struct.fields.mmp_checksum.at;

function nameBytes(name: string, length: number): Uint8Array {
	return new TextEncoder().encode(name).subarray(0, length);
}

export class MultiMountProtection {
	readonly #volume: Volume;
	readonly #options: MultiMountProtectionOptions;
	readonly #sources: Sources;
	/** In bytes. */
	readonly #position: number;
	readonly #bytes = new Uint8Array(mmp_struct.sizeBytes);
	readonly #raw = mmp_struct.edit(new DataView(this.#bytes.buffer), 0);
	/** Seconds between updates, and how long a user that does not update is believed to be there. */
	readonly updateInterval: number;
	readonly #checkInterval: number;
	/** The number on the medium, while it is ours. */
	#sequence: number | undefined;
	#updatedAt = 0;

	private constructor(volume: Volume, options: MultiMountProtectionOptions, sources: Sources) {
		this.#volume = volume;
		this.#options = options;
		this.#sources = sources;
		const {s_mmp_block, s_mmp_interval} = ext4_super_block.at(volume.superblock.view, 0);
		const {firstDataBlock, blockCount, blockSize} = volume.geometry;
		if (s_mmp_block <= firstDataBlock || s_mmp_block >= blockCount) {
			throw new CorruptError('EXT4_BAD_MMP', 'the block against multiple mounts lies nowhere', {
				block: s_mmp_block,
			});
		}
		this.#position = s_mmp_block * blockSize;
		this.updateInterval = s_mmp_interval === 0 ? updateIntervalDefault : s_mmp_interval;
		this.#checkInterval = Math.max(2 * this.updateInterval, checkIntervalMin);
		if (this.#checkInterval > checkIntervalMax) {
			throw new CorruptError('EXT4_BAD_MMP', `an interval of ${s_mmp_interval} seconds`);
		}
	}

	/**
	 * Takes the file system for this host; waits where it does not say that it is free, for some 10
	 * to 660 seconds. Throws `FileError` EBUSY where another host or e2fsck uses it, `CorruptError`
	 * EXT4_BAD_MMP, `DeviceError`.
	 */
	static take(
		volume: Volume,
		options: MultiMountProtectionOptions,
		sources: Sources,
	): MultiMountProtection {
		const protection = new MultiMountProtection(volume, options, sources);
		protection.takeAgain();
		return protection;
	}

	/** As `take`, after `release`. */
	takeAgain(): void {
		this.#read();
		const found = this.#raw.mmp_seq;
		let waitSeconds = 0;
		if (found === mmpSequence.beingChecked) throw this.#busy('is being checked by e2fsck');
		if (found !== mmpSequence.clean) {
			const interval = Math.max(this.#checkInterval, this.#raw.mmp_check_interval);
			if (interval > checkIntervalMax) {
				throw new CorruptError('EXT4_BAD_MMP', `an interval of ${interval} seconds`);
			}
			waitSeconds = Math.min(2 * interval + 1, interval + 60);
			this.#waitFor(found, waitSeconds);
		}
		const ours = 1 + (this.#sources.randomUint32() % mmpSequence.max);
		this.#write(ours);
		// Another may have done the same at the same time: who wrote last has it.
		this.#waitFor(ours, waitSeconds);
		this.#sequence = ours;
	}

	/**
	 * Tells other hosts that the file system is in use; to be called every `updateInterval` seconds.
	 * Throws `FileError` EBUSY where that came late and another has taken it: then nothing more may
	 * be written. Throws `DeviceError`.
	 */
	update(): void {
		if (this.#sequence === undefined) return;
		if (Math.abs(this.#now() - this.#updatedAt) > this.#checkInterval) this.#assertOurs();
		this.#sequence = this.#sequence >= mmpSequence.max ? 1 : this.#sequence + 1;
		this.#write(this.#sequence);
	}

	/** Whether `update` should have been called by now. */
	get isDue(): boolean {
		const age = Math.abs(this.#now() - this.#updatedAt);
		return this.#sequence !== undefined && age > this.updateInterval;
	}

	/** The file system is free again. Throws `DeviceError`, and as `update`. */
	release(): void {
		if (this.#sequence === undefined) return;
		this.#assertOurs();
		this.#write(mmpSequence.clean);
		this.#sequence = undefined;
	}

	#assertOurs(): void {
		this.#read();
		if (this.#raw.mmp_seq === this.#sequence) return;
		this.#sequence = undefined;
		throw this.#busy('has been taken');
	}

	/** Throws EBUSY where the number is another one after so many seconds. */
	#waitFor(sequence: number, seconds: number): void {
		if (seconds > 0) this.#options.sleep(seconds * 1000);
		this.#read();
		if (this.#raw.mmp_seq !== sequence) throw this.#busy('is in use');
	}

	#busy(what: string): FileError {
		const {mmp_nodename, mmp_bdevname} = this.#raw;
		const text = (bytes: Uint8Array) => {
			const end = bytes.indexOf(0);
			return JSON.stringify(new TextDecoder().decode(bytes.subarray(0, end < 0 ? undefined : end)));
		};
		return new FileError(
			'EBUSY',
			`the file system ${what}, last by host ${text(mmp_nodename)} as ${text(mmp_bdevname)} (mmp)`,
		);
	}

	#now(): number {
		return Math.max(0, this.#sources.clock().seconds);
	}

	#read(): void {
		const {device} = this.#volume;
		if (this.#options.readFromMedium === undefined) device.read(this.#position, this.#bytes);
		else this.#options.readFromMedium(this.#position, this.#bytes);
		if (this.#raw.mmp_magic !== mmpMagic) {
			throw this.#bad(`its magic number is 0x${this.#raw.mmp_magic.toString(16)}`);
		}
		if (this.#hasChecksum && this.#raw.mmp_checksum !== this.#checksum()) {
			throw this.#bad('its checksum does not match');
		}
	}

	#bad(problem: string): CorruptError {
		const block = this.#position / this.#volume.geometry.blockSize;
		return new CorruptError('EXT4_BAD_MMP', `the block against multiple mounts: ${problem}`, {
			block,
		});
	}

	#write(sequence: number): void {
		const now = this.#now();
		const raw = this.#raw;
		raw.mmp_seq = sequence;
		raw.mmp_time_lo = now % 2 ** 32;
		raw.mmp_time_hi = Math.floor(now / 2 ** 32);
		raw.mmp_nodename = nameBytes(this.#options.nodeName, 64);
		raw.mmp_bdevname = nameBytes(this.#options.deviceName, 32);
		raw.mmp_check_interval = this.#checkInterval;
		if (this.#hasChecksum) raw.mmp_checksum = this.#checksum();
		this.#volume.device.write(this.#position, this.#bytes);
		this.#volume.device.flush();
		this.#updatedAt = now;
	}

	get #hasChecksum(): boolean {
		return this.#volume.features.has('metadata_csum');
	}

	#checksum(): number {
		return crc32cOf(this.#volume.superblock.checksumSeed, this.#bytes.subarray(0, checksumAt));
	}
}
