/** All that a report tells of a file system, gathered in one round over its metadata. */
import type {Volume} from '../../ext4/index.ts';
import {DiskMap} from './disk-map.ts';
import {type Candidate, FileSurvey} from './files.ts';
import {type GroupFacts, GroupSurvey} from './groups.ts';
import {classOf} from './page/format.ts';
import type {Problems} from './problems.ts';
import {Tree} from './tree.ts';

/** Files whose place on the disk the page can show. */
const listedMax = 20_000;
const tableBytesMax = 64 * 2 ** 20;
const longestListMax = 50;

export type DirectoryRow = {
	readonly path: string;
	readonly blocks: number;
	readonly entries: number;
};

export type Survey = {
	readonly volume: Volume;
	readonly map: DiskMap;
	readonly groups: readonly GroupFacts[];
	readonly groupSurvey: GroupSurvey;
	readonly files: FileSurvey;
	readonly tree: Tree;
	/** By space, the largest first; then those that are listed for their fragments. */
	readonly listed: readonly Candidate[];
	readonly largestFiles: readonly Candidate[];
	readonly mostFragmented: readonly Candidate[];
	readonly largestDirectories: readonly DirectoryRow[];
	readonly fullestDirectories: readonly DirectoryRow[];
};

function topDirectories(tree: Tree, by: 'blocks' | 'entries'): DirectoryRow[] {
	return tree.directories
		.filter(each => each[by] > 0)
		.sort((a, b) => b[by] - a[by])
		.slice(0, longestListMax)
		.map(each => ({
			path: tree.path({directory: each.parent, name: each.name}),
			blocks: each.blocks,
			entries: each.entries,
		}));
}

/**
 * Looks at all of `volume` that can be read; what can't is told in `problems`. `imageBytes` is how
 * long the image is behind the start of the file system, which may be longer than that.
 */
export function surveyVolume(volume: Volume, imageBytes: number, problems: Problems): Survey {
	const {blockSize, blockCount} = volume.geometry;
	const map = new DiskMap(blockCount);
	const thereBlocks = Math.floor(imageBytes / blockSize);
	map.paint(thereBlocks, blockCount - thereBlocks, classOf.unreadable);
	const files = new FileSurvey(volume, map, problems, {listedMax, tableBytesMax});
	const groupSurvey = new GroupSurvey(volume, map, problems);
	groupSurvey.run(inode => files.lookAt(inode));
	const mostFragmented = files.mostFragmented();
	const byInode = new Map<number, Candidate>();
	for (const each of [...files.largest(), ...mostFragmented]) byInode.set(each.inode, each);
	const tree = new Tree(volume, problems);
	tree.walk(new Set(byInode.keys()), inode => files.blocksByInode.take(inode));
	map.settle(groupSurvey.usedBlocks);
	const listed = [...byInode.values()];
	return {
		volume,
		map,
		groups: groupSurvey.facts,
		groupSurvey,
		files,
		tree,
		listed,
		largestFiles: listed
			.filter(each => !each.isDirectory && each.blocks > 0)
			.slice(0, longestListMax),
		mostFragmented: mostFragmented.slice(0, longestListMax),
		largestDirectories: topDirectories(tree, 'blocks'),
		fullestDirectories: topDirectories(tree, 'entries'),
	};
}
