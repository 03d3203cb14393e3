/** fallocate(2): space given, taken away, made zeros, and moved, by the rules of the kernel's ext4. */
import {
	FileError,
	growOutOfInline,
	type Handle,
	hasExtents,
	type Inode,
	inodeFlags,
	type MutableInode,
	makeUnwritten,
	mapAt,
	mapForWriting,
	removeBlocks,
	shiftBlocks,
	touchedBlocksMax,
} from '../ext4/index.ts';
import type {Mapper} from './mapper.ts';
import {assertContentsMayChange, assertSize, growTo} from './size.ts';
import {type ChangeOptions, inSteps} from './steps.ts';
import {zeroBehindEnd, zeroInBlock} from './zero.ts';

/** Bits of the mode, as `linux/falloc.h` has them; none of them: space for the range, and the size. */
export const allocateModes = {
	/** The size stays as it is. */
	keepSize: 0x1,
	punchHole: 0x2,
	collapseRange: 0x8,
	zeroRange: 0x10,
	insertRange: 0x20,
} as const;

const knownModes = Object.values(allocateModes).reduce<number>((all, bit) => all | bit, 0);

function fail(code: 'EINVAL' | 'EOPNOTSUPP' | 'EFBIG', message: string): never {
	throw new FileError(code, message);
}

/** Which bits go together, as in the kernel's vfs_fallocate. */
function assertMode(mode: number): void {
	const {keepSize, punchHole, collapseRange, zeroRange, insertRange} = allocateModes;
	if ((mode & ~knownModes) !== 0) fail('EOPNOTSUPP', `fallocate mode ${mode}`);
	if ((mode & punchHole) !== 0 && (mode & zeroRange) !== 0) {
		fail('EOPNOTSUPP', 'a hole and zeros at once');
	}
	if ((mode & punchHole) !== 0 && (mode & keepSize) === 0) {
		fail('EOPNOTSUPP', 'a hole does not change the size');
	}
	for (const alone of [collapseRange, insertRange]) {
		if ((mode & alone) !== 0 && mode !== alone) fail('EINVAL', `fallocate mode ${mode}`);
	}
}

/** A request, in bytes. */
type Range = {readonly position: number; readonly end: number};

type Work = {
	readonly mapper: Mapper;
	readonly number: number;
	readonly options: ChangeOptions;
	readonly range: Range;
};

/** Data that lies in the inode moves out: only blocks can be given and taken away. */
function leaveInode(handle: Handle, inode: MutableInode): void {
	if ((inode.flags & inodeFlags.inlineData) !== 0) growOutOfInline(handle, inode);
}

function assertExtents(inode: Inode): void {
	if (!hasExtents(inode)) fail('EOPNOTSUPP', 'a block map can only have holes punched');
}

function isLarge(handle: Handle): boolean {
	return handle.touchedBlocks > touchedBlocksMax;
}

/**
 * Gives space to all holes in the range. With `zero`, whole blocks in it that have data become
 * unwritten, and parts of blocks zeros.
 */
function reserve(work: Work, keepsSize: boolean, zero: boolean): void {
	const {mapper, number, options, range} = work;
	const {position, end} = range;
	const {blockSize} = mapper.volume.geometry;
	const lastEnd = Math.ceil(end / blockSize);
	const wholeFrom = Math.ceil(position / blockSize);
	const wholeEnd = Math.floor(end / blockSize);
	const first = Math.floor(position / blockSize);
	inSteps(mapper.volume, number, options, first, (handle, inode, start) => {
		leaveInode(handle, inode);
		assertExtents(inode);
		if (zero) zeroEdges(mapper, inode, range);
		let at = start;
		while (at < lastEnd && !isLarge(handle)) {
			const run = mapForWriting(handle, inode, at, lastEnd - at, 'unwritten');
			const runEnd = run.logical + run.length;
			if (zero) {
				const to = Math.min(runEnd, wholeEnd);
				for (let block = Math.max(at, wholeFrom); block < to; ) {
					block = makeUnwritten(handle, inode, block, to - block);
				}
			}
			at = runEnd;
		}
		const reached = Math.min(end, at * blockSize);
		if (!keepsSize && reached > inode.sizeBytes) {
			zeroBehindEnd(mapper, inode, reached);
			growTo(handle, inode, reached);
		}
		return at < lastEnd ? {next: at} : 'done';
	});
}

/** Makes those bytes of the range zeros that share a block with others. */
function zeroEdges(mapper: Mapper, inode: Inode, {position, end}: Range): void {
	const {blockSize} = mapper.volume.geometry;
	const headEnd = Math.min(end, Math.ceil(position / blockSize) * blockSize);
	zeroInBlock(mapper, inode, position, headEnd);
	zeroInBlock(mapper, inode, Math.max(headEnd, Math.floor(end / blockSize) * blockSize), end);
}

function punch(work: Work): void {
	const {mapper, number, options, range} = work;
	const {blockSize} = mapper.volume.geometry;
	inSteps(mapper.volume, number, options, 0, (handle, inode) => {
		const sizeEnd = Math.ceil(inode.sizeBytes / blockSize) * blockSize;
		// Space behind the end stays; what shares the last block with the end goes with it.
		const end = range.end >= inode.sizeBytes ? sizeEnd : range.end;
		if (range.position >= inode.sizeBytes) return 'done';
		leaveInode(handle, inode);
		const {position} = range;
		zeroEdges(mapper, inode, {position, end});
		const from = Math.ceil(position / blockSize);
		const to = Math.floor(end / blockSize);
		return removeBlocks(handle, inode, from, to) ? 'done' : {next: 0};
	});
}

/** The range as whole clusters, in blocks. Throws `FileError` EINVAL where it is not. */
function wholeBlocks(work: Work): {from: number; length: number} {
	const {position, end} = work.range;
	const {blockSize, clusterSize} = work.mapper.volume.geometry;
	if (position % clusterSize !== 0 || end % clusterSize !== 0) {
		fail('EINVAL', `bytes ${position} to ${end} are no whole clusters of ${clusterSize}`);
	}
	return {from: position / blockSize, length: (end - position) / blockSize};
}

type Shift = {
	/** The range has no space any more. */
	readonly isEmptied: boolean;
	/** Where moving goes on. */
	readonly resume: number | undefined;
};

function collapse(work: Work): void {
	const {mapper, number, options, range} = work;
	const {from, length} = wholeBlocks(work);
	const to = from + length;
	const first: Shift = {isEmptied: false, resume: undefined};
	inSteps(mapper.volume, number, options, first, (handle, inode, state) => {
		leaveInode(handle, inode);
		assertExtents(inode);
		if (range.end >= inode.sizeBytes) fail('EINVAL', 'the range reaches to the end of the file');
		if (!state.isEmptied && !removeBlocks(handle, inode, from, to)) return {next: first};
		if (!isLarge(handle)) {
			const resume = shiftBlocks(handle, inode, to, -length, state.resume);
			if (resume === undefined) {
				handle.edit(inode).sizeBytes -= range.end - range.position;
				return 'done';
			}
			return {next: {isEmptied: true, resume}};
		}
		return {next: {isEmptied: true, resume: state.resume}};
	});
}

function insert(work: Work): void {
	const {mapper, number, options, range} = work;
	const {volume} = mapper;
	const {from, length} = wholeBlocks(work);
	const first: {isGrown: boolean; resume: number | undefined} = {isGrown: false, resume: undefined};
	inSteps(volume, number, options, first, (handle, inode, state) => {
		if (!state.isGrown) {
			leaveInode(handle, inode);
			assertExtents(inode);
			if (range.position >= inode.sizeBytes) fail('EINVAL', 'the range is behind the file');
			const sizeBytes = inode.sizeBytes + range.end - range.position;
			assertSize(volume, inode, sizeBytes);
			assertNothingPushedOut(mapper, inode, length);
			zeroBehindEnd(mapper, inode, sizeBytes);
			growTo(handle, inode, sizeBytes); // First, so that nothing is ever behind the end.
		}
		const resume = shiftBlocks(handle, inode, from, length, state.resume);
		return resume === undefined ? 'done' : {next: {isGrown: true, resume}};
	});
}

/** Space behind the end of the file must not be moved beyond the last block that there can be. */
function assertNothingPushedOut(mapper: Mapper, inode: Inode, by: number): void {
	const blocksMax = 2 ** 32 - 1;
	for (let at = blocksMax - by; at < blocksMax; ) {
		const run = mapAt(mapper.volume, inode, at);
		if (run.kind !== 'hole') fail('EFBIG', 'the file reaches too far');
		at = run.logical + run.length;
	}
}

/**
 * fallocate(2) on the file `number`: `position` and `length` are in bytes, `mode` is made of the
 * bits of `allocateModes`. Done in as many transactions as it takes; where one of them fails, those
 * before it stay, as in the kernel's ext4. Times, and flags that bind, are the caller's matter.
 *
 * Throws `FileError` EINVAL, EOPNOTSUPP, EFBIG, ENOSPC, EDQUOT, EISDIR, ENOKEY, EPERM, EROFS;
 * `CorruptError`, `DeviceError`.
 */
export function allocateRange(
	mapper: Mapper,
	number: number,
	position: number,
	length: number,
	mode: number,
	options: ChangeOptions = {},
): void {
	if (!(position >= 0) || !(length > 0)) fail('EINVAL', `${length} bytes at ${position}`);
	assertMode(mode);
	const {volume} = mapper;
	const inode = volume.readReservedInode(number);
	assertContentsMayChange(inode);
	const range = {position, end: position + length};
	const isMoving = (mode & (allocateModes.collapseRange | allocateModes.insertRange)) !== 0;
	const isPunching = (mode & allocateModes.punchHole) !== 0;
	// Before the range is looked at, as in the kernel. Data in the inode may yet get an extent tree.
	if (!isPunching && (inode.flags & inodeFlags.inlineData) === 0) assertExtents(inode);
	if (!isMoving) assertSize(volume, inode, range.end);
	const work = {mapper, number, options, range};
	const keepsSize = (mode & allocateModes.keepSize) !== 0;
	if (isPunching) punch(work);
	else if (mode === allocateModes.collapseRange) collapse(work);
	else if (mode === allocateModes.insertRange) insert(work);
	else reserve(work, keepsSize, (mode & allocateModes.zeroRange) !== 0);
}
