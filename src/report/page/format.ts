/**
 * What the generator and the page agree on: the classes of blocks, and how numbers and text are
 * packed. Knows neither Node nor the browser.
 */

export type BlockClass = {
	readonly id: string;
	readonly label: string;
	readonly about: string;
};

/**
 * In rising importance: where a unit of the map holds more than one class, the later one shows, so
 * that a superblock among free space can still be found. At most sixteen fit the packing.
 */
export const blockClasses: readonly BlockClass[] = [
	{id: 'free', label: 'Free', about: 'Space that no file has.'},
	{
		id: 'unknown',
		label: 'Used, owner unknown',
		about: 'Marked as used, but nothing that could be read says by what.',
	},
	{id: 'file', label: 'Files', about: 'Contents of files.'},
	{id: 'directory', label: 'Directories', about: 'Names, and the inodes that they lead to.'},
	{
		id: 'map',
		label: 'Maps and attributes',
		about: 'Extent tree nodes, indirect blocks and extended attributes of files.',
	},
	{
		id: 'system',
		label: 'System files',
		about: 'The boot block, quotas, orphans, bad blocks and what else has an inode but no name.',
	},
	{id: 'journal', label: 'Journal', about: 'Changes on their way to their place.'},
	{
		id: 'inodes',
		label: 'Inode tables',
		about: 'All that is known of files, but names and contents.',
	},
	{id: 'bitmaps', label: 'Bitmaps', about: 'Which blocks and which inodes are in use.'},
	{
		id: 'descriptors',
		label: 'Group descriptors',
		about: 'Where each group keeps its bitmaps and inodes, with room to grow.',
	},
	{id: 'superblock', label: 'Superblocks', about: 'The key to all else, and its copies.'},
	{id: 'unreadable', label: 'Unreadable', about: 'Could not be read, or makes no sense.'},
];

export const classOf = {
	free: 0,
	unknown: 1,
	file: 2,
	directory: 3,
	map: 4,
	system: 5,
	journal: 6,
	inodes: 7,
	bitmaps: 8,
	descriptors: 9,
	superblock: 10,
	unreadable: 11,
} as const;

/** Spans are packed as `length * classBase + class`. */
export const classBase = 16;

/** Bits of a listed file's flags. */
export const fileFlags = {directory: 1, extentsCut: 2, hardLinked: 4} as const;

/** Facts that are small enough to be told as JSON. All numbers of blocks, unless their name says else. */
export type PageFacts = {
	readonly blockSize: number;
	readonly blockCount: number;
	readonly firstDataBlock: number;
	readonly blocksPerGroup: number;
	readonly groupCount: number;
	readonly inodesPerGroup: number;
	/** Blocks in a unit of the map; 1 where it is exact. */
	readonly unitBlocks: number;
	/** Groups that a row of the group table tells of. */
	readonly groupsPerRow: number;
	/** Exact numbers of blocks, one a class. */
	readonly totals: readonly number[];
	readonly fileCount: number;
	readonly listedCount: number;
	/** Blocks that a finding is about, and which row of the table of findings tells it. */
	readonly findings: readonly {
		readonly block: number;
		readonly row: number;
		readonly severity: string;
		readonly text: string;
	}[];
};
