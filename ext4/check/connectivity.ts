/** Pass 3: whether every directory is reached from the root, and whether its `..` says from where. */
import {reservedInode} from '../layout/inode.ts';
import {Paths} from './paths.ts';
import type {CheckState} from './state.ts';

const typeDirectory = 2;
const directoriesBetweenYields = 20_000;

/** What is known of a directory's way up. */
const way = {unknown: 0, walked: 1, known: 2} as const;

export function* checkConnectivity(state: CheckState): Generator<void> {
	if (state.givenUp.some(({pass}) => pass === 'directories')) {
		state.giveUp('who lies in whom is known only when all directories were looked at');
		return;
	}
	if (!hasRoot(state)) return; // Nothing is reached, which is told.
	const {directories} = state;
	const {count, inodes, parents, dotDots} = directories;
	const root = directories.indexOf(reservedInode.root);
	parents[root] = reservedInode.root;
	const paths = new Paths(state);
	const ways = new Uint8Array(count);
	ways[root] = way.known;
	for (let index = 0; index < count; index++) {
		walkUp(state, ways, index);
		const parent = parents[index] ?? 0;
		const dotDot = dotDots[index] ?? 0;
		// Without one, or without a parent, something worse was told.
		if (parent !== dotDot && parent !== 0 && dotDot !== 0) {
			const inode = inodes[index] ?? 0;
			state.report(
				'CHECK_DOTDOT_PARENT',
				{inode, directory: inode, path: paths.of(inode)},
				{found: dotDot, expected: parent},
			);
		}
		if (index % directoriesBetweenYields === 0) {
			state.setProgress(index, count);
			yield;
		}
	}
	state.setProgress(count, count);
	yield;
}

function hasRoot(state: CheckState): boolean {
	const type = state.inodes.typeOf(reservedInode.root);
	if (type === 0) state.report('CHECK_ROOT_MISSING', {inode: reservedInode.root});
	else if (type !== typeDirectory) state.report('CHECK_ROOT_TYPE', {inode: reservedInode.root});
	return type === typeDirectory && state.directories.indexOf(reservedInode.root) !== -1;
}

/** Goes from a directory towards the root, as far as the way is not known yet. */
function walkUp(state: CheckState, ways: Uint8Array, from: number): void {
	const {inodes, parents, dotDots} = state.directories;
	const walked: number[] = [];
	let index = from;
	while (ways[index] === way.unknown) {
		ways[index] = way.walked;
		walked.push(index);
		const parent = parents[index] ?? 0;
		const place = {inode: inodes[index]};
		if (parent === 0) {
			state.report('CHECK_DIRECTORY_UNCONNECTED', place, {found: dotDots[index]});
			break;
		}
		const next = state.directories.indexOf(parent);
		if (next === -1) break; // The parent is no directory any more: pass 2 has looked at what is none.
		if (ways[next] === way.walked) {
			state.report('CHECK_DIRECTORY_LOOP', place);
			break;
		}
		index = next;
	}
	for (const passed of walked) ways[passed] = way.known;
}
