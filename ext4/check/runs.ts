/** The blocks of one of the file system's own files, without claiming them. */
import {inodeFlags} from '../layout/inode.ts';
import {BlockMapWalker} from './block-map.ts';
import {ExtentWalker} from './extents.ts';
import type {InodeBytes} from './inode-bytes.ts';
import {Mapped} from './mapped.ts';
import type {CheckState} from './state.ts';

export type Runs = {
	readonly blocks: readonly number[];
	/** How many blocks follow each other from the start of the file on, before its first hole. */
	readonly wholeBlocks: number;
};

/** Physical blocks of `inode`, in the order of the file, at most `max` of them; holes are left out. */
export function runsOf(state: CheckState, inode: InodeBytes, max: number): Runs {
	const mapped = new Mapped(state, inode);
	mapped.onBlocks = () => {};
	mapped.begin(inode, true);
	if (inode.has(inodeFlags.extents)) new ExtentWalker(state, mapped).walk(inode);
	else new BlockMapWalker(state, mapped).walk(inode);
	const blocks: number[] = [];
	let wholeBlocks = 0;
	for (let at = 0; at < mapped.runs.length; at += 3) {
		const first = mapped.runs[at + 1] ?? 0;
		const length = mapped.runs[at + 2] ?? 0;
		if (mapped.runs[at] === wholeBlocks) wholeBlocks += length;
		for (let index = 0; index < length && blocks.length < max; index++) blocks.push(first + index);
	}
	return {blocks, wholeBlocks};
}
