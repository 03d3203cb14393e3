/** A survey as the bytes that the page reads; `page/unpacking.ts` is its counterpart. */
import {deflateRawSync} from 'node:zlib';
import {WalkBudget, walkFile} from './file-blocks.ts';
import type {Candidate} from './files.ts';
import {ByteWriter} from './packing.ts';
import {fileFlags} from './page/format.ts';
import {Problems} from './problems.ts';
import type {Survey} from './survey.ts';

export type PackLimits = {
	readonly spansMax: number;
	readonly fileBytesMax: number;
	readonly extentsPerFileMax: number;
	readonly groupRowsMax: number;
};

export const usualLimits: PackLimits = {
	spansMax: 200_000,
	fileBytesMax: 1_200_000,
	extentsPerFileMax: 4000,
	groupRowsMax: 16_384,
};

export type Packed = {
	/** Deflated, in base64. */
	readonly data: string;
	readonly unitBlocks: number;
	readonly groupsPerRow: number;
	readonly listedCount: number;
};

function packGroups(survey: Survey, rowsMax: number): {writer: ByteWriter; groupsPerRow: number} {
	const groupsPerRow = Math.max(1, Math.ceil(survey.groups.length / rowsMax));
	const writer = new ByteWriter();
	writer.number(Math.ceil(survey.groups.length / groupsPerRow));
	for (let from = 0; from < survey.groups.length; from += groupsPerRow) {
		let [free, inodes, directories, unreadable] = [0, 0, 0, 0];
		for (const group of survey.groups.slice(from, from + groupsPerRow)) {
			free += group.freeBlocks;
			inodes += group.usedInodes;
			directories += group.directories;
			unreadable += group.isUnreadable ? 1 : 0;
		}
		for (const value of [free, inodes, directories, unreadable]) writer.number(value);
	}
	return {writer, groupsPerRow};
}

type Piece = {logical: number; physical: number; length: number; isUnwritten: boolean};

function piecesOf(survey: Survey, candidate: Candidate, piecesMax: number, budget: WalkBudget) {
	const {volume} = survey;
	const pieces: Piece[] = [];
	let isCut = false;
	const ignored = new Problems(); // They were told when the files were looked at first.
	const inode = ignored.attempt(() => volume.readReservedInode(candidate.inode));
	if (inode === undefined) return {pieces, isCut};
	walkFile(volume, inode, budget, ignored, {
		data: (logical, physical, length, isUnwritten) => {
			const last = pieces.at(-1);
			const goesOn =
				last !== undefined &&
				last.physical + last.length === physical &&
				last.logical + last.length === logical &&
				last.isUnwritten === isUnwritten;
			if (goesOn) last.length += length;
			else if (pieces.length < piecesMax) pieces.push({logical, physical, length, isUnwritten});
			else isCut = true;
		},
		map: () => {},
	});
	return {pieces, isCut};
}

/** The directories that lead to listed files, each behind the one it lies in. */
class DirectoryList {
	readonly writer = new ByteWriter();
	readonly #survey: Survey;
	readonly #indices = new Map<number, number>();

	constructor(survey: Survey) {
		this.#survey = survey;
	}

	get count(): number {
		return this.#indices.size;
	}

	/** The index in the list of directory `at` of the tree. */
	indexOf(at: number): number {
		const missing: number[] = [];
		const {directories} = this.#survey.tree;
		// Each lies in one that was met before it: this ends at the root, which is the first.
		for (let up = at; !this.#indices.has(up); up = directories[up]?.parent ?? 0) {
			missing.push(up);
			if (up === 0) break;
		}
		for (const each of missing.reverse()) {
			const directory = directories[each];
			this.writer.number(this.#indices.get(directory?.parent ?? 0) ?? 0);
			this.writer.text(directory?.name ?? '');
			this.#indices.set(each, this.#indices.size);
		}
		return this.#indices.get(at) ?? 0;
	}
}

function packFile(
	survey: Survey,
	candidate: Candidate,
	directories: DirectoryList,
	piecesMax: number,
	budget: WalkBudget,
	writer: ByteWriter,
): void {
	const named = survey.tree.names.get(candidate.inode);
	// 0: no name leads to it.
	writer.number(named === undefined ? 0 : directories.indexOf(named.directory) + 1);
	writer.text(named === undefined ? `<${candidate.inode}>` : named.name);
	const {pieces, isCut} = piecesOf(survey, candidate, piecesMax, budget);
	writer.number(
		(candidate.isDirectory ? fileFlags.directory : 0) | (isCut ? fileFlags.extentsCut : 0),
	);
	writer.number(candidate.inode);
	writer.number(Math.min(candidate.sizeBytes, Number.MAX_SAFE_INTEGER));
	writer.number(candidate.fragments);
	writer.number(pieces.length);
	let logical = 0;
	let physical = 0;
	for (const piece of pieces) {
		writer.signed(piece.logical - logical);
		writer.signed(piece.physical - physical);
		writer.number(piece.length * 2 + (piece.isUnwritten ? 1 : 0));
		logical = piece.logical + piece.length;
		physical = piece.physical + piece.length;
	}
}

function packFiles(survey: Survey, limits: PackLimits) {
	const directories = new DirectoryList(survey);
	const writer = new ByteWriter();
	const budget = new WalkBudget(survey.volume.geometry.blockCount);
	let count = 0;
	for (const candidate of survey.listed) {
		if (writer.length + directories.writer.length > limits.fileBytesMax) break;
		packFile(survey, candidate, directories, limits.extentsPerFileMax, budget, writer);
		count++;
	}
	return {directories, writer, count};
}

/** `limits` bound the size: a page that came out too large is packed again with smaller ones. */
export function packSurvey(survey: Survey, limits: PackLimits): Packed {
	const spans = survey.map.pack(limits.spansMax);
	const groups = packGroups(survey, limits.groupRowsMax);
	const files = packFiles(survey, limits);
	const head = new ByteWriter();
	head.number(spans.bytes.length);
	const counts = new ByteWriter();
	counts.number(files.directories.count);
	const fileCount = new ByteWriter();
	fileCount.number(files.count);
	const all = Buffer.concat([
		head.bytes(),
		spans.bytes,
		groups.writer.bytes(),
		counts.bytes(),
		files.directories.writer.bytes(),
		fileCount.bytes(),
		files.writer.bytes(),
	]);
	return {
		data: deflateRawSync(all, {level: 9}).toString('base64'),
		unitBlocks: spans.unitBlocks,
		groupsPerRow: groups.groupsPerRow,
		listedCount: files.count,
	};
}
