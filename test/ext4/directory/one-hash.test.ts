/** Listing an index whose leaves all go on with one hash: they can be told apart only together. */
import test from 'ava';
import {rulesOf} from '../../../ext4/directory/entries.ts';
import {forEachEntryInOrder} from '../../../ext4/directory/ordered-read.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {
	addDirectory,
	dots,
	writeEntries,
	writeIndexNode,
	writeIndexRoot,
} from '../../support/tiny-directory.ts';
import {TinyImage} from '../../support/tiny-image.ts';

const directory = 12;
const blockSize = 1024;
/** The shortest entry that there is. */
const entryBytes = 12;

/** An index that claims to have `nodeCount` times so many leaves, all with names of one hash: all the same one. */
const leavesPerNode = 126;

function makeImage(nodeCount: number): TinyImage {
	const image = new TinyImage({blockCount: 8192, features: ['filetype', 'extent', 'dir_index']});
	addDirectory(
		image,
		directory,
		[100, 101, 102, ...Array(nodeCount * leavesPerNode).fill(0)],
		inodeFlags.hashIndexed,
	);
	writeEntries(image.block(100), dots);
	const names = Array.from({length: Math.floor(blockSize / entryBytes) - 1}, (_, index) => ({
		inode: 13,
		name: String.fromCodePoint(0x41 + (index % 0x39)),
	}));
	writeEntries(image.block(101), names);
	const continued = {hash: 1, block: 1};
	writeIndexNode(image.block(102), {
		entries: [{hash: 0, block: 1}, ...Array(leavesPerNode - 1).fill(continued)],
	});
	const nodes = Array.from({length: nodeCount}, (_, index) => ({
		hash: index === 0 ? 0 : 1,
		block: 2,
	}));
	writeIndexRoot(image.block(100), {levels: 1, entries: nodes});
	return image;
}

function list(image: TinyImage): number {
	const volume = image.open();
	let count = 0;
	const inode = volume.readInode(directory);
	const visit = () => {
		count++;
		return true;
	};
	const rules = rulesOf(volume, inode);
	forEachEntryInOrder({volume, directory: inode, rules, cursor: 0, visit, show: undefined});
	return count;
}

test('as many leaves as anybody could fill with names of one hash are listed together', t => {
	const nodeCount = 8;
	const entriesPerLeaf = Math.floor(blockSize / entryBytes) - 1;
	t.is(list(makeImage(nodeCount)), nodeCount * leavesPerNode * entriesPerLeaf + dots.length);
});

test('more than 1 MiB of them is refused, before it is held in memory', t => {
	const error = corruptBy('EXT4_BAD_HASH_TREE', () => list(makeImage(9)));
	t.regex(error.message, /1024 leaves for one hash/);
});
