/**
 * Passes 2 to 5: one test a way to be damaged, byte by byte on a small image that is well. Checksums
 * are made right again, so that it is the damage that is found and not the sum.
 */
import test, {type ExecutionContext} from 'ava';
import {type CheckSummary, check} from '../../../ext4/check/check.ts';
import type {FindingCode} from '../../../ext4/check/codes.ts';
import type {Finding} from '../../../ext4/check/finding.ts';
import {mapAt} from '../../../ext4/mapping/index.ts';
import {Volume} from '../../../ext4/volume.ts';
import {type Atlas, mapImage, type Role} from '../../fuzz/atlas.ts';
import {loadBases} from '../../fuzz/bases.ts';
import {GuardedDevice} from '../../fuzz/guarded-device.ts';
import {Patch} from '../../fuzz/patch.ts';
import {Sealer} from '../../fuzz/seal.ts';
import {MemoryDevice} from '../../support/memory-device.ts';

const base = loadBases().find(({name}) => name === 'ext4-1k');
const atlas: Atlas = mapImage(base?.bytes ?? new Uint8Array(0));
const {blockSize} = atlas;
const volume = Volume.open(new MemoryDevice(base?.bytes ?? new Uint8Array(0), true));

function checked(bytes: Uint8Array): {findings: Finding[]; summary: CheckSummary} {
	return checkedOn(new MemoryDevice(bytes, true));
}

function checkedOn(device: MemoryDevice): {findings: Finding[]; summary: CheckSummary} {
	const findings: Finding[] = [];
	const run = check(device);
	let next = run.next();
	for (; next.done !== true; next = run.next()) findings.push(next.value);
	return {findings, summary: next.value};
}

/** The bytes of a block of a directory, by the directory's inode; changes are the image's. */
class Damage {
	readonly patch = new Patch((base?.bytes ?? new Uint8Array(0)).slice());
	readonly view = this.patch.view;

	blockAt(inode: number, logical = 0): number {
		const run = mapAt(volume, volume.readReservedInode(inode), logical);
		if (run.kind === 'hole') throw new RangeError('a hole');
		return (run.physical + logical - run.logical) * blockSize;
	}

	/** Where the entry of that name begins. */
	entryAt(directory: number, name: string): number {
		const start = this.blockAt(directory);
		for (let at = start; at < start + blockSize; at += this.view.getUint16(at + 4, true)) {
			const length = this.patch.bytes[at + 6] ?? 0;
			const found = Buffer.from(this.patch.bytes.subarray(at + 8, at + 8 + length));
			if (found.toString('latin1') === name) return at;
		}
		throw new RangeError(`no entry ${name}`);
	}

	inodeAt(number: number): number {
		return this.#site('inode', number).at;
	}

	#site(role: Role, owner: number) {
		const site = atlas.sitesOf.get(role)?.find(candidate => candidate.owner === owner);
		if (site === undefined) throw new RangeError(`no ${role} of ${owner}`);
		return site;
	}

	seal(): void {
		new Sealer(this.patch, atlas).seal(atlas.sites);
	}
}

const root = 2;
const dir = 12;
const many = 30;
/** Of the tree's root: where its second entry begins. */
const rootEntries = 32 + 8;

type Way = {
	readonly title: string;
	readonly code: FindingCode;
	readonly act: (damage: Damage) => void;
	/** Checksums stay as they are. */
	readonly unsealed?: true;
};

const ways: readonly Way[] = [
	{
		title: 'a length that is no multiple of four',
		code: 'CHECK_DIRECTORY_ENTRY_LENGTH',
		act: damage => damage.view.setUint16(damage.entryAt(dir, 'medium') + 4, 17, true),
	},
	{
		title: 'an inode beyond the last',
		code: 'CHECK_ENTRY_INODE_NUMBER',
		act: damage => damage.view.setUint32(damage.entryAt(dir, 'medium'), 1_000_000, true),
	},
	{
		title: 'a reserved inode',
		code: 'CHECK_ENTRY_INODE_NUMBER',
		act: damage => damage.view.setUint32(damage.entryAt(dir, 'medium'), 7, true),
	},
	{
		title: 'an inode that is not in use',
		code: 'CHECK_ENTRY_INODE_UNUSED',
		act: damage => damage.view.setUint16(damage.inodeAt(17) + 0x1a, 0, true),
	},
	{
		title: 'an inode that was never used',
		code: 'CHECK_ENTRY_INODE_NEVER_USED',
		act: damage => damage.view.setUint32(damage.entryAt(dir, 'medium'), 60, true),
	},
	{
		title: 'a name for the directory itself',
		code: 'CHECK_ENTRY_TO_ITSELF',
		act: damage => damage.view.setUint32(damage.entryAt(dir, 'medium'), dir, true),
	},
	{
		title: 'a name for the root',
		code: 'CHECK_ENTRY_TO_ROOT',
		act: damage => damage.view.setUint32(damage.entryAt(dir, 'medium'), root, true),
	},
	{
		title: 'a second name for a directory',
		code: 'CHECK_ENTRY_TO_KNOWN_DIRECTORY',
		act: damage => damage.view.setUint32(damage.entryAt(dir, 'medium'), 14, true),
	},
	{
		title: 'a slash in a name',
		code: 'CHECK_ENTRY_NAME_CHARACTER',
		act: damage => damage.view.setUint8(damage.entryAt(dir, 'medium') + 9, 0x2f),
	},
	{
		title: 'a name without letters',
		code: 'CHECK_ENTRY_NAME_EMPTY',
		act: damage => damage.view.setUint8(damage.entryAt(dir, 'medium') + 6, 0),
	},
	{
		title: 'a second ..',
		code: 'CHECK_ENTRY_NAME_DOT',
		act: damage => {
			const at = damage.entryAt(dir, 'medium');
			damage.view.setUint8(at + 6, 2);
			damage.view.setUint16(at + 8, 0x2e2e, true);
		},
	},
	{
		title: 'a name that is there twice',
		code: 'CHECK_ENTRY_NAME_TWICE',
		act: damage => {
			const at = damage.entryAt(root, 'empty');
			damage.patch.bytes.set(Buffer.from('small'), at + 8);
		},
	},
	{
		title: 'a type that the inode is not of',
		code: 'CHECK_ENTRY_TYPE',
		act: damage => damage.view.setUint8(damage.entryAt(dir, 'medium') + 7, 2),
	},
	{
		title: 'no type',
		code: 'CHECK_ENTRY_TYPE_MISSING',
		act: damage => damage.view.setUint8(damage.entryAt(dir, 'medium') + 7, 0),
	},
	{
		title: 'a . that names another',
		code: 'CHECK_DOT_INODE',
		act: damage => damage.view.setUint32(damage.blockAt(dir), 14, true),
	},
	{
		title: 'no .',
		code: 'CHECK_DOT_MISSING',
		act: damage => damage.view.setUint32(damage.blockAt(dir), 0, true),
	},
	{
		title: 'a . of another name',
		code: 'CHECK_DOT_NAME',
		act: damage => damage.view.setUint8(damage.blockAt(dir) + 8, 0x61),
	},
	{
		title: 'no ..',
		code: 'CHECK_DOTDOT_MISSING',
		act: damage => damage.view.setUint32(damage.blockAt(dir) + 12, 0, true),
	},
	{
		title: 'a .. that names another',
		code: 'CHECK_DOTDOT_PARENT',
		act: damage => damage.view.setUint32(damage.blockAt(dir) + 12, 14, true),
	},
	{
		title: 'a wrong checksum',
		code: 'CHECK_DIRECTORY_CHECKSUM',
		act: damage => damage.view.setUint8(damage.blockAt(dir) + blockSize - 1, 0x77),
		unsealed: true,
	},
	{
		title: 'no place for the checksum',
		code: 'CHECK_DIRECTORY_CHECKSUM_MISSING',
		act: damage => damage.view.setUint8(damage.blockAt(dir) + blockSize - 5, 0),
	},
	{
		title: 'a directory that nothing names',
		code: 'CHECK_DIRECTORY_UNCONNECTED',
		act: damage => damage.view.setUint32(damage.entryAt(root, 'empty-dir'), 0, true),
	},
	{
		title: 'two directories that lie in each other',
		code: 'CHECK_DIRECTORY_LOOP',
		act: damage => {
			// dir leaves the root for its own sub-directory.
			damage.view.setUint32(damage.entryAt(root, 'dir'), 0, true);
			const at = damage.entryAt(dir, 'sub');
			const sub = damage.view.getUint32(at, true);
			const block = damage.blockAt(sub);
			damage.view.setUint16(block + 16, 12, true);
			damage.view.setUint32(block + 24, dir, true);
			damage.view.setUint16(block + 28, blockSize - 24 - 12, true);
			damage.view.setUint8(block + 30, 1);
			damage.view.setUint8(block + 31, 2);
			damage.view.setUint8(block + 32, 0x78);
		},
	},
	{
		title: 'a file that nothing names',
		code: 'CHECK_INODE_UNATTACHED',
		act: damage => damage.view.setUint32(damage.entryAt(root, 'empty'), 0, true),
	},
	{
		title: 'a wrong count of links',
		code: 'CHECK_LINK_COUNT',
		act: damage => damage.view.setUint16(damage.inodeAt(16) + 0x1a, 3, true),
	},
	{
		title: 'a hash version that there is not',
		code: 'CHECK_INDEX_HASH_VERSION',
		act: damage => damage.view.setUint8(damage.blockAt(many) + 0x1c, 9),
	},
	{
		title: 'a tree too deep',
		code: 'CHECK_INDEX_DEPTH',
		act: damage => damage.view.setUint8(damage.blockAt(many) + 0x1e, 3),
	},
	{
		title: 'a root that tells of a level more than there is',
		code: 'CHECK_INDEX_BLOCK_DEPTH',
		act: damage => damage.view.setUint8(damage.blockAt(many) + 0x1e, 1),
	},
	{
		title: 'a root with a wrong header',
		code: 'CHECK_INDEX_ROOT',
		act: damage => damage.view.setUint8(damage.blockAt(many) + 0x1d, 4),
	},
	{
		title: 'a node with too much room',
		code: 'CHECK_INDEX_LIMIT',
		act: damage => damage.view.setUint16(damage.blockAt(many) + 0x20, 100, true),
	},
	{
		title: 'a node with more entries than room',
		code: 'CHECK_INDEX_COUNT',
		act: damage => damage.view.setUint16(damage.blockAt(many) + 0x22, 1000, true),
	},
	{
		title: 'a tree that leads to a block that is not there',
		code: 'CHECK_INDEX_BLOCK',
		act: damage => damage.view.setUint32(damage.blockAt(many) + rootEntries + 4, 99, true),
	},
	{
		title: 'a tree that leads to a block twice, and to another not at all',
		code: 'CHECK_INDEX_BLOCK_TWICE',
		act: damage => {
			const at = damage.blockAt(many) + rootEntries;
			damage.view.setUint32(at + 4, damage.view.getUint32(at - 4, true), true);
		},
	},
	{
		title: 'a name outside of the hashes of its block',
		code: 'CHECK_INDEX_RANGE',
		act: damage => {
			const at = damage.blockAt(many) + rootEntries;
			damage.view.setUint32(at, (damage.view.getUint32(at, true) + 0x2000_0000) >>> 0, true);
		},
	},
	{
		title: 'a wrong checksum of a node',
		code: 'CHECK_INDEX_CHECKSUM',
		act: damage => damage.view.setUint8(damage.blockAt(many) + blockSize - 1, 0x55),
		unsealed: true,
	},
	{
		title: 'a block in use that is marked free',
		code: 'CHECK_BLOCKS_NOT_MARKED',
		act: damage => damage.view.setUint8(volume.group(0).blockBitmap * blockSize + 1, 0),
	},
	{
		title: 'a free block that is marked in use',
		code: 'CHECK_BLOCKS_MARKED',
		act: damage => {
			const last = Math.floor((volume.geometry.blockCount - 10) / 8);
			damage.view.setUint8(volume.group(0).blockBitmap * blockSize + last, 0xff);
		},
	},
	{
		title: 'clear bits behind the last block',
		code: 'CHECK_BLOCK_BITMAP_PADDING',
		act: damage => damage.view.setUint8((volume.group(0).blockBitmap + 1) * blockSize - 1, 0x7f),
	},
	{
		title: 'a wrong checksum of a bitmap',
		code: 'CHECK_BLOCK_BITMAP_CHECKSUM',
		act: damage => damage.view.setUint8(volume.group(0).blockBitmap * blockSize + 2, 0),
		unsealed: true,
	},
	{
		title: 'an inode in use that is marked free',
		code: 'CHECK_INODES_NOT_MARKED',
		act: damage => damage.view.setUint8(volume.group(0).inodeBitmap * blockSize + 1, 0),
	},
	{
		title: 'a free inode that is marked in use',
		code: 'CHECK_INODES_MARKED',
		act: damage => damage.view.setUint8(volume.group(0).inodeBitmap * blockSize + 7, 0xff),
	},
	{
		title: 'clear bits behind the last inode',
		code: 'CHECK_INODE_BITMAP_PADDING',
		act: damage => damage.view.setUint8((volume.group(0).inodeBitmap + 1) * blockSize - 1, 0),
	},
	{
		title: 'a wrong count of free blocks in a group',
		code: 'CHECK_GROUP_FREE_BLOCKS',
		act: damage => damage.view.setUint16(groupAt() + 0xc, 3, true),
	},
	{
		title: 'a wrong count of free inodes in a group',
		code: 'CHECK_GROUP_FREE_INODES',
		act: damage => damage.view.setUint16(groupAt() + 0xe, 3, true),
	},
	{
		title: 'a wrong count of directories in a group',
		code: 'CHECK_GROUP_DIRECTORIES',
		act: damage => damage.view.setUint16(groupAt() + 0x10, 1, true),
	},
	{
		title: 'a wrong count of free blocks in the superblock',
		code: 'CHECK_FREE_BLOCKS',
		act: damage => damage.view.setUint32(1024 + 0xc, 5, true),
	},
];

function groupAt(): number {
	return atlas.sitesOf.get('group')?.[0]?.at ?? 0;
}

function assertFound(t: ExecutionContext, {code, act, unsealed}: Way): void {
	const damage = new Damage();
	act(damage);
	if (unsealed === undefined) damage.seal();
	const {findings, summary} = checked(damage.patch.bytes);
	const codes = findings.map(finding => finding.code);
	t.true(codes.includes(code), codes.join(', '));
	t.is(summary.outcome, 'checked');
	for (const {message} of findings) t.false(message.includes('{'), message);
	for (const {message} of findings) t.false(message.includes('?'), message);
}

test('the image is well before it is damaged', t => {
	t.deepEqual(checked(new Damage().patch.bytes).findings, []);
});

test('making checksums right changes nothing', t => {
	const damage = new Damage();
	damage.seal();
	t.deepEqual(checked(damage.patch.bytes).findings, []);
});

for (const way of ways) test(`${way.title}: ${way.code}`, t => assertFound(t, way));

test('what is wrong with an entry is told with its path', t => {
	const damage = new Damage();
	damage.view.setUint32(damage.entryAt(dir, 'medium'), 7, true);
	damage.seal();
	const {findings} = checked(damage.patch.bytes);
	const finding = findings.find(({code}) => code === 'CHECK_ENTRY_INODE_NUMBER');
	t.is(finding?.place.path, '/dir/medium');
	t.is(finding?.place.directory, dir);
});

test('blocks of a directory behind the end of the image are told, and not asked for', t => {
	const damage = new Damage();
	const end = damage.blockAt(many, 2);
	const cut = new Patch(damage.patch.bytes.slice(0, end));
	const {findings, summary} = checkedOn(new GuardedDevice(cut, true));
	t.is(summary.outcome, 'checked');
	const told = findings.filter(({code}) => code === 'CHECK_BLOCK_UNREADABLE');
	t.true(told.some(({place}) => place.block === end / blockSize));
	t.true(findings.some(({code}) => code === 'CHECK_DEVICE_TOO_SHORT'));
});
