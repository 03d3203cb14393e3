/**
 * Mounting and unmounting, as far as the image is concerned.
 *
 *   openForWriting:  multi-mount protection ─► journal brought home ─► superblock says "mounted",
 *                    on the medium ─► transactions ─► orphans of a crash cleaned up
 *   openRecovered:   the same where there is something to bring home or to clean up, then at once:
 *   closeVolume:     commit, checkpoint ─► journal empty ─► superblock says "unmounted" ─►
 *                    multi-mount protection released
 *
 * Each arrow is a flush. Between the two, an image with a journal says `needs_recovery`, and one
 * without is not marked clean. Kernel documentation, "Super Block", s_state.
 */
import {allocatorOf} from './allocator/state.ts';
import type {CachedBlock} from './block-cache.ts';
import type {BlockDevice} from './device.ts';
import {assert, CorruptError, FileError, UnsupportedError} from './errors.ts';
import {bringHome} from './journal/bring-home.ts';
import {InPlaceLog} from './journal/in-place-log.ts';
import {JournalLog} from './journal/journal-log.ts';
import {type ErrorsPolicy, Transactions} from './journal/transactions.ts';
import {writeHome} from './journal/write-home.ts';
import type {Timestamp} from './layout/inode.ts';
import {ext4_super_block} from './layout/superblock.ts';
import {MultiMountProtection, type MultiMountProtectionOptions} from './mmp.ts';
import {cleanOrphans, reapOrphans} from './orphans/clean.ts';
import {hasOrphans} from './orphans/orphans.ts';
import {Volume, type VolumeOptions} from './volume.ts';

export type OpenForWritingOptions = VolumeOptions & {
	readonly clock: () => Timestamp;
	/** What to do when the image turns out to be damaged; by default what its superblock says. */
	readonly errors?: ErrorsPolicy;
	/** Any 32-bit number. */
	readonly randomUint32: () => number;
	/** Needed for an image with the feature `mmp`. */
	readonly mmp?: MultiMountProtectionOptions;
};

/** What a volume that may be written to has beside it. */
type Session = {
	readonly options: OpenForWritingOptions;
	readonly log: JournalLog | InPlaceLog;
	readonly mmp: MultiMountProtection | undefined;
	/** The superblock said that the file system was clean; so it may say again. */
	readonly wasClean: boolean;
	/** False between `remountReadOnly` and `remountReadWrite`. */
	isWritable: boolean;
	/** Orphans of a crash that nobody has looked at: the next to write would take them for none. */
	hasStrayOrphans: boolean;
};

const sessions = new WeakMap<Volume, Session>();

/** s_errors: carry on when the image turns out to be damaged. */
const errorsContinue = 1;

/** Writes the superblock in place, on the medium; no transaction is under way. */
function writeSuperblockInPlace(volume: Volume, time: Timestamp): void {
	const {device, geometry} = volume;
	const blocks: CachedBlock[] = [];
	volume.writeSuperblock(time, block => blocks.push(block));
	writeHome(device, geometry.blockSize, blocks);
	device.flush();
}

/** Says in the superblock, on the medium, that the file system is mounted for writing, once more. */
function markMounted(volume: Volume, time: Timestamp): void {
	const {superblock} = volume;
	const raw = ext4_super_block.edit(superblock.view, 0);
	raw.s_mnt_count = Math.min(raw.s_mnt_count + 1, 0xffff);
	superblock.mountTime = Math.max(0, time.seconds);
	markInUse(volume, time);
}

/** Says in the superblock, on the medium, that whoever reads it needs what the journal holds. */
function markInUse(volume: Volume, time: Timestamp): void {
	const {superblock, features} = volume;
	let marked = features;
	if (features.has('has_journal')) marked = marked.with('needs_recovery');
	else superblock.isClean = false;
	if (features.has('orphan_file')) marked = marked.with('orphan_present');
	superblock.features = marked;
	writeSuperblockInPlace(volume, time);
}

/** The kernel gave the journal up: the file system has errors then, until e2fsck has looked. */
function takeOverJournalError(volume: Volume, log: JournalLog, time: Timestamp): void {
	if (log.superblock.journal.errorNumber === 0) return;
	volume.superblock.hasErrors = true;
	writeSuperblockInPlace(volume, time);
	log.superblock.writeNoError();
	volume.device.flush();
}

function takeMmp(volume: Volume, options: OpenForWritingOptions): MultiMountProtection | undefined {
	if (!volume.features.has('mmp')) return undefined;
	if (options.mmp === undefined) {
		throw new UnsupportedError(
			'EXT4_UNSUPPORTED_FOR_WRITING',
			'mmp',
			'an image protected against multiple mounts (mmp) is written to only where it can be guarded',
		);
	}
	return MultiMountProtection.take(volume, options.mmp, options);
}

function beginTransactions(volume: Volume, session: Session): void {
	const {clock, errors} = session.options;
	const {s_errors} = ext4_super_block.at(volume.superblock.view, 0);
	const policy = errors ?? (s_errors === errorsContinue ? 'continue' : 'remount-ro');
	const {mmp} = session;
	// What is large is done in many transactions, in a request that no other follows for long.
	const beat = () => {
		if (mmp?.isDue === true) updateMmp(volume);
	};
	volume.transactions = new Transactions(volume, session.log, {
		clock,
		errors: policy,
		...(mmp === undefined ? {} : {beat}),
	});
	session.isWritable = true;
}

/**
 * Opens the file system on `device` for reading and writing, as mounting does: its journal is
 * brought home, and its superblock says from then on that it is in use. End with `closeVolume`.
 * The device stays the caller's to close.
 *
 * Throws what `Volume.open` throws; `UnsupportedError` EXT4_UNSUPPORTED_FOR_WRITING for features
 * that forbid writing; `FileError` EROFS for a device that takes no writes, EBUSY where multi-mount
 * protection shows another user, EINVAL for `journal: 'ignore'`.
 */
export function openForWriting(device: BlockDevice, options: OpenForWritingOptions): Volume {
	return open(device, options, (volume, session) => {
		markMounted(volume, options.clock());
		beginTransactions(volume, session);
		volume.orphanProblem = cleanOrphans(volume).problem;
	});
}

/**
 * Opens the file system on `device` for reading, after its journal was brought home and its orphans
 * were cleaned up on the medium: what the kernel's ext4 does where it mounts read-only what it may
 * write to. Where there is nothing of either, nothing is written (but for multi-mount protection).
 * Such a mount is not counted in the superblock. `remountReadWrite` makes the volume writable.
 *
 * The orphans of a file system that has errors are left to e2fsck. Throws as `openForWriting`, and
 * why the volume stopped taking changes, where cleaning up came to no end.
 */
export function openRecovered(device: BlockDevice, options: OpenForWritingOptions): Volume {
	return open(device, options, cleanUpForReading);
}

function cleanUpForReading(volume: Volume, session: Session): void {
	const {superblock, features} = volume;
	const hasOrphanMark = superblock.lastOrphan !== 0 || features.has('orphan_present');
	if (hasOrphanMark && !superblock.hasErrors) {
		markInUse(volume, session.options.clock());
		beginTransactions(volume, session);
		volume.orphanProblem = cleanOrphans(volume).problem;
		remountReadOnly(volume);
		return;
	}
	session.hasStrayOrphans = hasOrphanMark;
	if (features.has('needs_recovery')) {
		superblock.features = features.without('needs_recovery');
		writeSuperblockInPlace(volume, session.options.clock());
	}
	session.mmp?.release();
}

/** Makes a volume that was opened, and its journal brought home, what it is to be. */
type Begin = (volume: Volume, session: Session) => void;

function open(device: BlockDevice, options: OpenForWritingOptions, begin: Begin): Volume {
	if (device.isReadOnly) throw new FileError('EROFS', 'the device takes no writes');
	if (options.journal === 'ignore') {
		throw new FileError('EINVAL', 'a file system is not written to over a journal left as it is');
	}
	const asItLies = Volume.openAsItLies(device, options);
	asItLies.features.assertWritable();
	const mmp = takeMmp(asItLies, options);
	let isMounted = false;
	try {
		const volume = mount(asItLies, mmp, options, begin);
		isMounted = true;
		return volume;
	} finally {
		if (!isMounted) mmp?.release();
	}
}

function mount(
	asItLies: Volume,
	mmp: MultiMountProtection | undefined,
	options: OpenForWritingOptions,
	begin: Begin,
): Volume {
	const {device} = asItLies;
	const time = options.clock();
	const hasJournal = asItLies.features.has('has_journal');
	const recovery = hasJournal ? bringHome(asItLies, time) : undefined;
	const volume = Volume.openAsItLies(device, options); // A replay may have changed anything.
	volume.features.assertWritable();
	if (volume.features.has('has_journal') !== hasJournal) {
		throw new CorruptError('EXT4_BAD_JOURNAL', 'a replay has changed whether there is a journal');
	}
	volume.assertRoot();
	volume.recovery = recovery;
	volume.random = options.randomUint32;
	allocatorOf(volume); // Looks at all groups before anything is changed, as it must.
	const log = hasJournal ? JournalLog.openEmpty(volume) : new InPlaceLog(volume);
	const wasClean = volume.superblock.isClean;
	const session: Session = {
		options,
		log,
		mmp,
		wasClean,
		isWritable: false,
		hasStrayOrphans: false,
	};
	if (log instanceof JournalLog) takeOverJournalError(volume, log, time);
	sessions.set(volume, session);
	begin(volume, session);
	return volume;
}

/** Brings all home and says in the superblock that the file system is not in use any more. */
function unmount(volume: Volume, session: Session): void {
	const {transactions, superblock} = volume;
	assert(transactions !== undefined, 'a volume that may be written to has transactions');
	updateMmp(volume); // Not a byte goes to what another host has taken.
	session.isWritable = false;
	transactions.close();
	// What lies on the medium is whole only with its journal: so it stays as it is, for a recovery.
	if (transactions.isAborted) throw transactions.failure;
	if (session.log instanceof JournalLog) {
		session.log.checkpointed(); // `close` has brought all home.
		session.log.empty();
	}
	superblock.features = superblock.features.without('needs_recovery');
	// Some may be left where the volume is read on: files without a name that are open yet. Those
	// of a damaged file system are not even looked at.
	if (!superblock.hasErrors && !hasOrphans(volume)) {
		superblock.features = superblock.features.without('orphan_present');
	}
	superblock.isClean = session.wasClean;
	writeSuperblockInPlace(volume, session.options.clock());
	session.mmp?.release();
}

/**
 * Ends what `openForWriting` began: all that was done is on the medium, each block in its place.
 * Nothing for a volume that is open for reading only. Throws `DeviceError`, and why the volume
 * stopped taking changes where some may be lost; the image is then left to be recovered.
 */
export function closeVolume(volume: Volume): void {
	const session = sessions.get(volume);
	if (session === undefined) return;
	sessions.delete(volume);
	if (!session.isWritable) return;
	try {
		if (volume.transactions?.isWritable === true) reapOrphans(volume);
	} finally {
		unmount(volume, session);
	}
}

/**
 * As `closeVolume`, but the volume can be read on, and `remountReadWrite` takes it back. Throws as
 * `closeVolume`.
 */
export function remountReadOnly(volume: Volume): void {
	const session = sessions.get(volume);
	if (session?.isWritable !== true) return;
	unmount(volume, session);
	if (volume.transactions?.failure === undefined) volume.transactions = undefined;
}

/**
 * Makes writable again what `remountReadOnly` has made read-only, or writable what `openRecovered`
 * has opened. Nobody may have written to the image in between. Throws `FileError` EROFS for a volume
 * that was never open for writing or that has given up, EINVAL for one with errors whose orphans were
 * left alone, `DeviceError`.
 */
export function remountReadWrite(volume: Volume): void {
	const session = sessions.get(volume);
	if (session === undefined || volume.transactions?.failure !== undefined) {
		throw new FileError('EROFS', 'the image is open for reading only');
	}
	if (session.isWritable) return;
	if (session.hasStrayOrphans) {
		throw new FileError('EINVAL', 'the file system has errors, and orphans that were left alone');
	}
	session.mmp?.takeAgain();
	let isTaken = false;
	try {
		markMounted(volume, session.options.clock());
		beginTransactions(volume, session);
		isTaken = true;
	} finally {
		if (!isTaken) session.mmp?.release();
	}
}

/**
 * Tells other hosts, where the image has the feature `mmp`, that it is in use. Returns after how
 * many seconds it is to be called again; undefined where that is not needed. Throws `FileError`
 * EBUSY where another host has taken it, `CorruptError`, `DeviceError`: nothing more is written
 * then, as another host may take it from now on.
 */
export function updateMmp(volume: Volume): number | undefined {
	const session = sessions.get(volume);
	if (session?.isWritable !== true) return undefined;
	const {mmp} = session;
	if (mmp === undefined) return undefined;
	try {
		mmp.update();
	} catch (error) {
		if (error instanceof Error) volume.transactions?.abort(error);
		throw error;
	}
	return mmp.updateInterval;
}
