/** `ext4box info`: what the superblock says, and the groups. */
import {firstBlockOfGroup, hasSuperblockCopy} from '../../ext4/groups.ts';
import {
	describe,
	ext4_super_block,
	type Group,
	isExpectedError,
	superblockPosition,
	type Volume,
} from '../../ext4/index.ts';
import {openImage, sizeText} from '../../images/index.ts';
import {argumentBytes} from '../argument-bytes.ts';
import {UsageError} from '../cli-error.ts';
import {parseCommand} from '../command-line.ts';
import {about, describeFailure} from '../failure.ts';
import {secondsTime} from '../format.ts';
import {
	type ImageValues,
	imageOptions,
	imageOptionsHelp,
	placeOf,
	withVolume,
} from '../image-arguments.ts';
import {log} from '../log.ts';
import {formatTable, print, printJson, printJsonList, quoteName} from '../output.ts';
import {type Facts, gatherFacts} from '../volume-facts.ts';

export const usage = `Usage: ext4box info [OPTIONS] IMAGE

Shows what the superblock of an ext2, ext3 or ext4 image says: label, features, sizes, state,
times, errors that were seen, and its journal. A journal that must be replayed is, in memory.

Options:
  --groups          a table of the block groups instead, from their descriptors
  --superblock      every field of the superblock as it lies on disk, by its name in the
                    kernel's documentation; also of a file system that can't be opened
  --json            facts for programs; see docs/cli.md
${imageOptionsHelp}
Examples:
  ext4box info disk.img
  ext4box info --partition 2 /dev/sdb
  ext4box info --json disk.img | jq .layout.freeBlockCount
`;

const options = {
	...imageOptions,
	groups: {type: 'boolean'},
	superblock: {type: 'boolean'},
	json: {type: 'boolean'},
} as const;

export async function run(args: string[]): Promise<number> {
	const {values, positionals} = parseCommand('info', args, options, ['IMAGE']);
	const [imagePath = ''] = positionals;
	const isJson = values.json === true;
	if (values.groups === true && values.superblock === true) {
		throw new UsageError('--groups and --superblock exclude one another');
	}
	if (values.superblock === true) return await showSuperblock(imagePath, values, isJson);
	return await withVolume(imagePath, values, ({volume, image}) => {
		if (values.groups === true) return showGroups(volume, imagePath, isJson);
		const facts = gatherFacts(volume, image);
		if (isJson) printJson(facts);
		else print(factsText(facts));
		return 0;
	});
}

/** A fact that may be any bytes, fit for a line; '' where it is empty. */
function bytesText(text: string | undefined, base64: string | undefined): string {
	const bytes = text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text);
	return bytes.length === 0 ? '' : quoteName(bytes);
}

function localTime(iso: string | null): string {
	return iso === null ? 'never' : secondsTime(Math.floor(Date.parse(iso) / 1000));
}

type Row = readonly [string, string];

function stateText({state}: Facts): string {
	const words = [state.isClean ? 'clean' : 'not clean'];
	if (state.hasErrors) words.push('with errors');
	if (state.needsRecovery) words.push('journal to be replayed');
	if (state.hasOrphans) words.push('orphans to be removed');
	return words.join(', ');
}

function journalRows({journal}: Facts): Row[] {
	if (journal === null) return [['Journal', 'none']];
	const what = [
		`inode ${journal.inode}`,
		sizeText(journal.sizeBytes),
		`version ${journal.version}`,
		...journal.features,
	];
	const rows: Row[] = [['Journal', what.join(', ')]];
	if (journal.replayed !== null) {
		const {transactions, blocks} = journal.replayed;
		rows.push(['Replayed', `${transactions} transactions, ${blocks} blocks (in memory)`]);
	}
	if (journal.errno !== 0) rows.push(['Journal error', `errno ${-journal.errno}`]);
	return rows;
}

function errorRows({errors}: Facts): Row[] {
	const rows: Row[] = [['On errors', errors.policy]];
	if (errors.count > 0) rows.push(['Errors seen', String(errors.count)]);
	for (const [name, error] of [
		['First error', errors.first],
		['Last error', errors.last],
	] as const) {
		if (error === null) continue;
		const where = quoteName(Buffer.from(error.function));
		const what = `${where}:${error.line}, inode ${error.inode}, block ${error.block}`;
		rows.push([name, `${localTime(error.time)}, ${what}`]);
	}
	return rows;
}

function layoutRows({layout}: Facts): Row[] {
	const blocks = (count: number) => `${count} (${sizeText(count * layout.blockSize)})`;
	const isBigalloc = layout.clusterSize !== layout.blockSize;
	const clusters = isBigalloc ? `, clusters of ${layout.clusterSize}` : '';
	const flex = layout.groupsPerFlexGroup === 1 ? '' : `, ${layout.groupsPerFlexGroup} together`;
	return [
		['Block size', `${layout.blockSize}${clusters}`],
		['Blocks', blocks(layout.blockCount)],
		['Free blocks', blocks(layout.freeBlockCount)],
		['Reserved blocks', blocks(layout.reservedBlockCount)],
		['Inodes', `${layout.inodeCount} of ${layout.inodeSize} bytes`],
		['Free inodes', String(layout.freeInodeCount)],
		[
			'Groups',
			`${layout.groupCount} of ${layout.blocksPerGroup} blocks and ${layout.inodesPerGroup} inodes${flex}`,
		],
		['Descriptors', `${layout.descriptorSize} bytes each`],
		['Kept to grow', `${layout.reservedDescriptorBlockCount} blocks of descriptors`],
	];
}

function usageRows(facts: Facts): Row[] {
	const {times} = facts;
	const limit = facts.mountCountMaximum === null ? '' : ` of ${facts.mountCountMaximum}`;
	return [
		['Created', localTime(times.created)],
		['Last mounted', localTime(times.lastMounted)],
		['Last mounted on', bytesText(facts.lastMountedOn, facts.lastMountedOnBase64)],
		['Last written', localTime(times.lastWritten)],
		['Last checked', localTime(times.lastChecked)],
		['Mounts since check', `${facts.mountCount}${limit}`],
		['Written', sizeText(facts.writtenKibibytes * 1024)],
	];
}

function featureRows(facts: Facts): Row[] {
	const {directoryHash: hash, checksums, multipleMountProtection: mmp} = facts;
	const quotas = Object.entries(facts.quotaInodes).filter(([, inode]) => inode !== 0);
	const seed = checksums === null ? '' : `crc32c, seed 0x${checksums.seed.toString(16)}`;
	return [
		['Directory hash', `${hash.version}${hash.isUnsigned ? ', unsigned' : ''}, seed ${hash.seed}`],
		['Checksums', checksums === null ? 'none' : seed],
		['Quota inodes', quotas.map(([name, inode]) => `${name} ${inode}`).join(', ')],
		['Orphan file', facts.orphanFileInode === 0 ? '' : `inode ${facts.orphanFileInode}`],
		['Multi-mount block', mmp === null ? '' : `${mmp.block}, every ${mmp.intervalSeconds} s`],
	];
}

function factsText(facts: Facts): string {
	const {image} = facts;
	const place = image.partition === null ? '' : `partition ${image.partition}, `;
	const rows: Row[] = [
		['Type', `${facts.type}, revision ${facts.revision}, made by ${facts.creator}`],
		['Label', bytesText(facts.label, facts.labelBase64)],
		['UUID', facts.uuid],
		['Place', `${place}offset ${image.offsetBytes} of ${sizeText(image.sizeBytes)}`],
		['State', stateText(facts)],
		['Features', facts.features.join(' ')],
		...layoutRows(facts),
		...usageRows(facts),
		...errorRows(facts),
		...journalRows(facts),
		...featureRows(facts),
	];
	const told = rows.filter(([, value]) => value !== '');
	return formatTable(
		told.map(([name, value]) => [`${name}:`, value]),
		['left', 'left'],
	);
}

/** The fields as they lie on disk; nothing but the magic number need be right for it. */
async function showSuperblock(
	imagePath: string,
	values: ImageValues,
	isJson: boolean,
): Promise<number> {
	return await about(imagePath, () => {
		using image = openImage(argumentBytes(imagePath), placeOf(values));
		const bytes = new Uint8Array(ext4_super_block.sizeBytes);
		image.device.read(superblockPosition, bytes);
		const fields = describe(ext4_super_block, new DataView(bytes.buffer), 0).map(
			({name, value, unit, about: note}) => ({
				name,
				value: typeof value === 'number' ? value : Buffer.from(value).toString('hex'),
				unit,
				about: note,
			}),
		);
		if (isJson) {
			printJson(fields);
			return 0;
		}
		const rows = fields.map(({name, value, unit, about: note}) => {
			const notes = [unit, note].filter(each => each !== undefined).join('; ');
			return typeof value === 'number'
				? [name, String(value), `0x${value.toString(16)}`, notes]
				: [name, '', '', /^0*$/.test(value) ? 'zeros' : `${value} ${notes}`];
		});
		print(formatTable(rows, ['left', 'right', 'right', 'left']));
		return 0;
	});
}

type GroupFacts = Group & {
	readonly firstBlock: number;
	readonly lastBlock: number;
	readonly hasSuperblock: boolean;
};

/** One group's facts; undefined, and told on stderr, where its descriptor is damaged. */
function readGroup(volume: Volume, imagePath: string, index: number): GroupFacts | undefined {
	const {geometry, superblock} = volume;
	const firstBlock = firstBlockOfGroup(superblock, index);
	const lastBlock = Math.min(firstBlock + geometry.blocksPerGroup, geometry.blockCount) - 1;
	const hasSuperblock = hasSuperblockCopy(superblock, index);
	try {
		return {...volume.group(index), firstBlock, lastBlock, hasSuperblock};
	} catch (error) {
		if (!isExpectedError(error)) throw error;
		log.error(`${imagePath}: ${describeFailure(error)}`);
		return undefined;
	}
}

const groupFlagNames: readonly (readonly [number, string])[] = [
	[1, 'inodes-uninit'],
	[2, 'blocks-uninit'],
	[4, 'zeroed'],
];
const groupHeading: readonly string[] = [
	'group',
	'blocks',
	'free',
	'inodes free',
	'unused',
	'dirs',
	'block bitmap',
	'inode bitmap',
	'inode table',
	'checksum',
	'flags',
];

function groupRow(group: GroupFacts): string[] {
	const flags = groupFlagNames.filter(([bit]) => (group.flags & bit) !== 0).map(([, name]) => name);
	if (group.hasSuperblock) flags.unshift('superblock');
	return [
		String(group.index),
		`${group.firstBlock}-${group.lastBlock}`,
		String(group.freeClusterCount),
		String(group.freeInodeCount),
		String(group.unusedInodeCount),
		String(group.usedDirectoryCount),
		String(group.blockBitmap),
		String(group.inodeBitmap),
		String(group.inodeTable),
		`0x${group.checksum.toString(16).padStart(4, '0')}`,
		flags.join(','),
	];
}

/** Rows are printed in batches: a large volume has a hundred thousand groups. */
const batchRows = 1024;

function showGroups(volume: Volume, imagePath: string, isJson: boolean): number {
	let damaged = 0;
	function* groups(): Generator<GroupFacts> {
		for (let index = 0; index < volume.geometry.groupCount; index++) {
			const group = readGroup(volume, imagePath, index);
			if (group === undefined) damaged++;
			else yield group;
		}
	}
	if (isJson) {
		printJsonList(groups());
		return damaged === 0 ? 0 : 1;
	}
	const alignments = groupHeading.map((_, at) =>
		at === groupHeading.length - 1 ? 'left' : 'right',
	);
	let rows: (readonly string[])[] = [groupHeading];
	for (const group of groups()) {
		rows.push(groupRow(group));
		if (rows.length < batchRows) continue;
		print(formatTable(rows, alignments));
		rows = [groupHeading];
	}
	print(formatTable(rows, alignments));
	return damaged === 0 ? 0 : 1;
}
