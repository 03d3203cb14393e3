/** `ext4box extents`: where a file lies on the disk. */
import {
	extentTreeDepth,
	FileError,
	type Inode,
	inodeFlags,
	mapAt,
	type Run,
	type Volume,
} from '../../ext4/index.ts';
import {lastExtentBlock} from '../../ext4/mapping/index.ts';
import {sizeText} from '../../images/index.ts';
import {argumentBytes} from '../argument-bytes.ts';
import {parseCommand} from '../command-line.ts';
import {about} from '../failure.ts';
import {countOf, typeNames} from '../format.ts';
import {imageOptions, imageOptionsHelp, withVolume} from '../image-arguments.ts';
import {formatTable, jsonBytes, print, printJson, quoteName} from '../output.ts';
import {type Found, findPath} from '../paths.ts';

export const usage = `Usage: ext4box extents [OPTIONS] IMAGE PATH

Shows where the contents of a file or directory in an ext2, ext3 or ext4 image lie on the disk:
which of its blocks (logical) are which of the file system's (physical), where its holes are, and
in how many fragments it lies. Numbers count blocks, from 0. Symbolic links are followed; PATH may
also be <N>, the inode of that number.

Options:
  --json            for programs; see docs/cli.md
${imageOptionsHelp}
Examples:
  ext4box extents disk.img /var/lib/db/data
  ext4box extents --json disk.img '<8>' | jq .fragments
`;

const options = {...imageOptions, json: {type: 'boolean'}} as const;

export async function run(args: string[]): Promise<number> {
	const {values, positionals} = parseCommand('extents', args, options, ['IMAGE', 'PATH']);
	const [imagePath = '', path = ''] = positionals;
	return await withVolume(imagePath, values, ({volume}) =>
		about(`${imagePath}: ${path}`, () => {
			const found = findPath(volume, argumentBytes(path), true);
			const kind = kindOf(volume, found.inode);
			if (values.json === true) printAsJson(volume, found, kind);
			else printAsTable(volume, found, kind);
			return 0;
		}),
	);
}

type Kind = 'extents' | 'block map' | 'inode';

/** What leads to the contents; `inode` where they lie in the inode itself. */
function kindOf(volume: Volume, inode: Inode): Kind {
	if (inode.type !== 'file' && inode.type !== 'directory' && inode.type !== 'symlink') {
		throw new FileError('EINVAL', `a ${typeNames[inode.type]} has no contents on the disk`);
	}
	if ((inode.flags & inodeFlags.inlineData) !== 0) return 'inode';
	if ((inode.flags & inodeFlags.extents) !== 0) return 'extents';
	// A symbolic link with no block but, perhaps, that of its attributes.
	const xattrSectors = inode.xattrBlock === 0 ? 0 : volume.geometry.clusterSize / 512;
	const isFast = inode.type === 'symlink' && inode.sectors === xattrSectors;
	return isFast ? 'inode' : 'block map';
}

type Piece = Run & {
	/** Of the file system's blocks, the piece does not follow on the one before it. */
	readonly startsFragment: boolean;
	readonly isBeyondEnd: boolean;
};

/** The runs of a file, each once, neighbours of one kind made one as far as they are holes. */
function* piecesOf(volume: Volume, inode: Inode, kind: Kind): Generator<Piece> {
	if (kind === 'inode') return;
	const sizeBlocks = Math.ceil(inode.sizeBytes / volume.geometry.blockSize);
	// Space may have been set aside beyond the end of the file.
	const last = kind === 'extents' ? lastExtentBlock(volume, inode) : undefined;
	const end = Math.max(sizeBlocks, last === undefined ? 0 : last + 1);
	let expected: number | undefined;
	let hole: {logical: number; length: number} | undefined;
	for (let at = 0; at < end; ) {
		const run = mapAt(volume, inode, at);
		const length = Math.min(run.logical + run.length, end) - at;
		if (run.kind === 'hole') {
			hole = {logical: hole?.logical ?? at, length: (hole?.length ?? 0) + length};
		} else {
			if (hole !== undefined)
				yield {kind: 'hole', ...hole, startsFragment: false, isBeyondEnd: false};
			hole = undefined;
			const physical = run.physical + at - run.logical;
			const startsFragment = physical !== expected;
			expected = physical + length;
			const isBeyondEnd = at + length > sizeBlocks;
			yield {kind: run.kind, logical: at, length, physical, startsFragment, isBeyondEnd};
		}
		at += length;
	}
	if (hole !== undefined) yield {kind: 'hole', ...hole, startsFragment: false, isBeyondEnd: false};
}

class Totals {
	extents = 0;
	fragments = 0;
	mappedBlocks = 0;
	unwrittenBlocks = 0;
	holeBlocks = 0;

	add(piece: Piece): void {
		if (piece.startsFragment) this.fragments++;
		if (piece.kind !== 'hole') this.extents++;
		if (piece.kind === 'mapped') this.mappedBlocks += piece.length;
		if (piece.kind === 'unwritten') this.unwrittenBlocks += piece.length;
		if (piece.kind === 'hole') this.holeBlocks += piece.length;
	}
}

function depthOf(volume: Volume, inode: Inode, kind: Kind): number | null {
	return kind === 'extents' ? extentTreeDepth(volume, inode) : null;
}

const heading: readonly string[] = ['#', 'logical', 'physical', 'length', 'flags'];
const alignments = ['right', 'right', 'right', 'right', 'left'] as const;
const batchRows = 1024;

function span(start: number, length: number): string {
	return length === 1 ? String(start) : `${start}-${start + length - 1}`;
}

function rowOf(piece: Piece, index: number): string[] {
	if (piece.kind === 'hole') {
		return ['', span(piece.logical, piece.length), '', String(piece.length), 'hole'];
	}
	const flags = [
		...(piece.kind === 'unwritten' ? ['unwritten'] : []),
		...(piece.isBeyondEnd ? ['beyond-end'] : []),
	];
	return [
		String(index),
		span(piece.logical, piece.length),
		span(piece.physical, piece.length),
		String(piece.length),
		flags.join(','),
	];
}

function printAsTable(volume: Volume, {inode, path}: Found, kind: Kind): void {
	const {blockSize} = volume.geometry;
	const depth = depthOf(volume, inode, kind);
	const how = depth === null ? kind : `${kind}, depth ${depth}`;
	print(
		`${quoteName(path)}: inode ${inode.number}, ${inode.sizeBytes} bytes, blocks of ${blockSize}, ${how}\n`,
	);
	if (kind === 'inode') {
		print('The contents lie in the inode itself.\n');
		return;
	}
	const totals = new Totals();
	let rows: (readonly string[])[] = [heading];
	for (const piece of piecesOf(volume, inode, kind)) {
		rows.push(rowOf(piece, totals.extents));
		totals.add(piece);
		if (rows.length < batchRows) continue;
		print(formatTable(rows, alignments));
		rows = [heading];
	}
	print(formatTable(rows, alignments));
	const bytes = (blocks: number) => sizeText(blocks * blockSize);
	const parts = [
		`${countOf(totals.extents, 'extent')} in ${countOf(totals.fragments, 'fragment')}`,
		`${bytes(totals.mappedBlocks)} written`,
	];
	if (totals.unwrittenBlocks > 0) parts.push(`${bytes(totals.unwrittenBlocks)} set aside`);
	if (totals.holeBlocks > 0) parts.push(`${bytes(totals.holeBlocks)} of holes`);
	print(`${parts.join(', ')}\n`);
}

function printAsJson(volume: Volume, {inode, path}: Found, kind: Kind): void {
	const totals = new Totals();
	const extents = [];
	for (const piece of piecesOf(volume, inode, kind)) {
		totals.add(piece);
		const {startsFragment: _, isBeyondEnd, ...run} = piece;
		extents.push(isBeyondEnd ? {...run, isBeyondEnd} : run);
	}
	printJson({
		...jsonBytes('path', path),
		inode: inode.number,
		size: inode.sizeBytes,
		blockSize: volume.geometry.blockSize,
		storedAs: kind,
		depth: depthOf(volume, inode, kind),
		extentCount: totals.extents,
		fragments: totals.fragments,
		mappedBlocks: totals.mappedBlocks,
		unwrittenBlocks: totals.unwrittenBlocks,
		holeBlocks: totals.holeBlocks,
		extents,
	});
}
