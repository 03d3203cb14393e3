/**
 * node test/fuzz/make-bases.ts
 *
 * Makes the base images that are mutated, in test/fuzz/bases: small, of different feature sets, by
 * mke2fs and debugfs, and, as root, by a kernel that is stopped in its work. They are kept with the
 * sources, so that a seed finds its image again on every machine; made anew they differ in times,
 * and the corpus has to be renewed with them (`npm run fuzz -- --renew-corpus`).
 */
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import type {TagFormat} from '../support/journal-builder.ts';
import {encrypt, setVerity, verityContents, work, writeFastCommits, writeLog} from './handmade.ts';

/** Of the verity file: two of its blocks, the second not full. */
const verityDataSize = 7200;

type Recipe = {
	readonly name: string;
	readonly sizeKiB: number;
	readonly mke2fs: readonly string[];
	readonly populate: readonly Population[];
	/** A journal of 64 blocks, and in it transactions that wait to be replayed. */
	readonly logFormat?: TagFormat;
	/** Worked on by this library, and left while the journal is full. */
	readonly work?: true;
	/** What no tool does, done to the finished image. */
	readonly finish?: (image: Uint8Array) => void;
	/** How names are hashed, where that is not what mke2fs chooses. */
	readonly hash?: 'legacy' | 'tea';
	/** e2fsck -D: builds the hash trees that debugfs does not. */
	readonly indexes?: boolean;
	/** Mounted by the kernel, worked on, and copied while its journal is full. */
	readonly dirtyMount?: string;
};

type Population =
	| 'deepNames'
	| 'deepTree'
	| 'basic'
	| 'xattrs'
	| 'sparse'
	| 'names'
	| 'inline'
	| 'values'
	| 'casefold'
	| 'encrypted'
	| 'verity';

const withoutJournal = '^has_journal,^resize_inode';

const recipes: readonly Recipe[] = [
	{
		name: 'ext2-1k',
		sizeKiB: 256,
		mke2fs: ['-t', 'ext2', '-b', '1024', '-I', '128', '-N', '64', '-O', '^resize_inode'],
		populate: ['basic', 'xattrs', 'sparse', 'names'],
		hash: 'tea',
		indexes: true,
	},
	{
		name: 'ext4-1k',
		sizeKiB: 256,
		mke2fs: ['-t', 'ext4', '-b', '1024', '-O', withoutJournal, '-N', '64'],
		populate: ['basic', 'xattrs', 'sparse', 'names'],
		indexes: true,
	},
	{
		name: 'ext4-1k-deep',
		sizeKiB: 1000,
		mke2fs: ['-t', 'ext4', '-b', '1024', '-O', withoutJournal, '-N', '64'],
		populate: ['basic', 'deepTree', 'deepNames'],
		indexes: true,
	},
	{
		name: 'ext4-inline-values-4k',
		sizeKiB: 512,
		mke2fs: [
			...['-t', 'ext4', '-b', '4096', '-N', '64'],
			...['-O', `${withoutJournal},inline_data,ea_inode`],
		],
		populate: ['basic', 'xattrs', 'inline', 'values', 'names'],
		hash: 'legacy',
		indexes: true,
	},
	{
		name: 'ext4-gdtcsum-smallgroups',
		sizeKiB: 640,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-I', '128', '-g', '256', '-N', '96'],
			...['-O', `${withoutJournal},^metadata_csum,^64bit,uninit_bg`],
		],
		populate: ['basic', 'xattrs', 'sparse'],
	},
	{
		name: 'ext4-metabg-sparse2',
		sizeKiB: 768,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-g', '256', '-N', '96', '-E', 'num_backup_sb=2'],
			...['-O', `${withoutJournal},meta_bg,^flex_bg,sparse_super2,^sparse_super`],
		],
		populate: ['basic', 'xattrs'],
	},
	{
		name: 'ext4-bigalloc-quota',
		sizeKiB: 1024,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-C', '4096', '-N', '64', '-I', '512'],
			...['-O', `${withoutJournal},bigalloc,metadata_csum_seed,quota,project`],
		],
		populate: ['basic', 'xattrs', 'sparse'],
	},
	{
		name: 'ext4-casefold-encrypt',
		sizeKiB: 512,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-N', '96', '-E', 'encoding=utf8'],
			...['-O', `${withoutJournal},casefold,encrypt,large_dir`],
		],
		populate: ['basic', 'names', 'casefold', 'encrypted'],
		indexes: true,
		finish: encrypt,
	},
	{
		name: 'ext4-4k-nocsum-verity',
		sizeKiB: 1024,
		mke2fs: [
			...['-t', 'ext4', '-b', '4096', '-N', '64'],
			...['-O', `${withoutJournal},^metadata_csum,^64bit,mmp`],
		],
		populate: ['basic', 'xattrs', 'verity'],
		finish: image => setVerity(image, 'verity', verityDataSize),
	},
	{
		name: 'ext4-1k-log',
		sizeKiB: 320,
		mke2fs: ['-t', 'ext4', '-b', '1024', '-O', withoutJournal, '-N', '64'],
		populate: ['basic', 'xattrs', 'sparse', 'names'],
		indexes: true,
		logFormat: 'csum_v3',
	},
	{
		name: 'ext3-1k-log',
		sizeKiB: 320,
		mke2fs: ['-t', 'ext2', '-b', '1024', '-I', '128', '-N', '64', '-O', '^resize_inode'],
		populate: ['basic', 'sparse', 'names'],
		indexes: true,
		logFormat: 'v1',
	},
	// A log that may be written to, or that has fast commits, has 1,024 blocks at least; and mke2fs gives
	// one to no file system of less than 2,048 blocks.
	{
		name: 'ext4-journal-orphanfile',
		sizeKiB: 2112,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-N', '64', '-J', 'size=1'],
			...['-O', '^resize_inode,orphan_file,quota,project,inline_data,ea_inode'],
		],
		populate: ['basic', 'xattrs', 'inline', 'names'],
		indexes: true,
		work: true,
	},
	{
		name: 'ext3-journal',
		sizeKiB: 2112,
		mke2fs: ['-t', 'ext3', '-b', '1024', '-I', '128', '-N', '64', '-J', 'size=1'],
		populate: ['basic', 'xattrs', 'sparse', 'names'],
		indexes: true,
		work: true,
	},
	{
		name: 'ext4-fastcommit',
		sizeKiB: 5120,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-N', '64', '-J', 'size=2'],
			...['-O', '^resize_inode,fast_commit'],
		],
		populate: ['basic', 'xattrs', 'sparse', 'names'],
		indexes: true,
		work: true,
		finish: writeFastCommits,
	},
	{
		name: 'ext4-fastcommit-inline',
		sizeKiB: 5120,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-N', '64', '-J', 'size=2'],
			...['-O', '^resize_inode,fast_commit,inline_data,^metadata_csum'],
		],
		populate: ['basic', 'xattrs', 'inline', 'names'],
		work: true,
		finish: writeFastCommits,
	},
];

/** Made only where root can mount them: what a kernel leaves in its journal. */
const mountedRecipes: readonly Recipe[] = [
	{
		name: 'kernel-ext4',
		sizeKiB: 2112,
		mke2fs: ['-t', 'ext4', '-b', '1024', '-N', '96', '-J', 'size=1', '-O', '^resize_inode'],
		populate: ['basic', 'xattrs'],
		dirtyMount: 'ext4',
	},
	{
		name: 'kernel-ext4-fastcommit-inline',
		sizeKiB: 5120,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-N', '96', '-J', 'size=2'],
			...['-O', '^resize_inode,fast_commit,inline_data'],
		],
		populate: ['basic', 'xattrs', 'inline'],
		dirtyMount: 'ext4',
	},
];

const uuid = '6d6b696d-6765-4000-8000-00000000f022';
const environment = {
	...process.env,
	PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
	E2FSPROGS_FAKE_TIME: '1700000000',
	DEBUGFS_PAGER: 'cat',
	LC_ALL: 'C',
	TZ: 'UTC',
};

function run(command: string, args: readonly string[], mayFail = false): string {
	try {
		return execFileSync(command, args, {
			env: environment,
			encoding: 'utf8',
			stdio: ['ignore', 'pipe', 'pipe'],
		});
	} catch (error) {
		if (mayFail && error instanceof Error && 'stdout' in error) return String(error.stdout);
		throw error;
	}
}

/** Files to be written into the images, in `folder`. */
function makeSources(folder: string): void {
	const put = (name: string, bytes: string | Uint8Array) =>
		writeFileSync(join(folder, name), bytes);
	put('empty', '');
	put('small', 'hello, ext\n'.repeat(5));
	put('medium', 'a line of medium length\n'.repeat(150));
	put('large', 'a line of a large file\n'.repeat(900));
	put('ea.tiny', 'forty bytes, more or less, of an attribute');
	put('ea.mid', 'x'.repeat(400));
	put('ea.big', 'big value '.repeat(450));
	put('verity', verityContents(verityDataSize));
	put('inline90', 'i'.repeat(90));
	const acl = [2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0];
	acl.push(4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 6, 0, 255, 255, 255, 255);
	put('ea.acl', Uint8Array.from([...acl, 32, 0, 0, 0, 255, 255, 255, 255]));
	put('alternating', alternating(190));
	put('deep', alternating(720));
	put('log', new Uint8Array(logBlocks * 1024).fill(0xff));
}

/** Data and hole in turns: many extents, many pointers. debugfs leaves the holes out. */
function alternating(blocks: number): Uint8Array {
	const bytes = new Uint8Array(blocks * 1024);
	for (let block = 0; block < blocks; block += 2)
		bytes.fill(65 + (block % 26), block * 1024, (block + 1) * 1024);
	return bytes;
}

function populate(what: Population, folder: string, recipe: Recipe): string[] {
	const from = (name: string) => join(folder, name);
	switch (what) {
		case 'basic':
			return [
				'mkdir dir',
				'mkdir dir/sub',
				'mkdir empty-dir',
				`write ${from('small')} small`,
				`write ${from('empty')} empty`,
				`write ${from('medium')} dir/medium`,
				`write ${from('large')} dir/large`,
				'ln small dir/link',
				'sif small links_count 2',
				'symlink fast small',
				`symlink slow ${'long/'.repeat(30)}`,
				'mknod chr c 1 3',
				'mknod blk b 7 200',
				'mknod fifo p',
			];
		case 'xattrs':
			return [
				'mkdir xattr',
				...['tiny', 'mid', 'both', 'acl'].map(name => `write ${from('small')} xattr/${name}`),
				`ea_set -f ${from('ea.tiny')} xattr/tiny user.tiny`,
				`ea_set -f ${from('ea.mid')} xattr/mid user.mid`,
				`ea_set -f ${from('ea.tiny')} xattr/both user.tiny`,
				`ea_set -f ${from('ea.mid')} xattr/both trusted.mid`,
				`ea_set -f ${from('ea.tiny')} xattr/both security.other`,
				`ea_set -f ${from('ea.acl')} xattr/acl system.posix_acl_access`,
			];
		case 'sparse':
			return [`write ${from('alternating')} sparse`];
		case 'deepTree':
			return [`write ${from('deep')} sparse`];
		case 'names':
			return [
				'mkdir many',
				// debugfs makes room for new files, but not for new links.
				...Array.from({length: 4}, () => 'expand_dir many'),
				...Array.from({length: 44}, (_, i) => `ln small many/${'name'.repeat(11)}-${i}`),
				'sif small links_count 46',
			];
		case 'deepNames':
			// Four names a block make so many leaves that the index needs a second level.
			return [
				'mkdir deep',
				...Array.from({length: 150}, () => 'expand_dir deep'),
				...Array.from({length: 520}, (_, i) => `ln small deep/${'n'.repeat(236)}-${i}`),
			];
		case 'inline':
			return [
				'mkdir inline',
				`write ${from('inline90')} inline/file`,
				'symlink inline/link '.concat('s'.repeat(80)),
				'mkdir inline/dir',
				...[1, 2, 3, 4, 5, 6].map(i => `write ${from('empty')} inline/dir/entry-${i}`),
			];
		case 'values':
			return recipe.name.includes('values')
				? [
						`write ${from('small')} value`,
						`ea_set -f ${from('ea.big')} value user.big`,
						`ea_set -f ${from('ea.mid')} value user.mid`,
					]
				: [];
		case 'verity':
			return [`write ${from('verity')} verity`];
		case 'casefold':
			return [
				'mkdir folded',
				...Array.from({length: 5}, () => 'expand_dir folded'),
				...Array.from({length: 40}, (_, i) => `ln small folded/${'Straße'.repeat(5)}-${i}`),
				'sif folded flags 0x40080000',
				'sif small links_count 999',
			];
		case 'encrypted':
			return [
				'mkdir secret',
				...Array.from({length: 3}, () => 'expand_dir secret'),
				...Array.from(
					{length: 12},
					(_, i) => `ln small secret/${'cipher-text-'.repeat(3 + i)}${i}`,
				),
				`symlink secret/link-of-cipher-text ${' \u0001'}${'c'.repeat(62)}`,
				'mkdir secret-folded',
				...Array.from(
					{length: 9},
					(_, i) => `ln small secret-folded/${'cipher'.repeat(5)}${'.'.repeat(i * 4)}123456`,
				),
			];
	}
}

function debugfs(image: string, folder: string, commands: readonly string[]): void {
	const path = join(folder, 'commands');
	writeFileSync(path, `${commands.join('\n')}\n`);
	run('debugfs', ['-w', '-f', path, image]);
}

function change(image: string, act: (bytes: Uint8Array) => void): void {
	const bytes = new Uint8Array(readFileSync(image));
	act(bytes);
	writeFileSync(image, bytes);
}

const logBlocks = 64;

/** No tool makes a journal this short: a file of that length becomes inode 8. */
function addLog(image: string, folder: string, format: TagFormat): void {
	debugfs(image, folder, [`write ${join(folder, 'log')} log`]);
	const number = Number(/Inode: (\d+)/.exec(run('debugfs', ['-R', 'stat log', image]))?.[1]);
	debugfs(image, folder, [
		...[`copy_inode log <8>`, 'sif <8> mode 0100600', 'unlink log'],
		...[`clri <${number}>`, `freei <${number}>`, 'ssv journal_inum 8', 'feature has_journal'],
	]);
	change(image, bytes => writeLog(bytes, format, logBlocks));
}

/** Works on a mounted image and copies it while the journal holds what was done. */
function dirty(image: string, folder: string, type: string): void {
	const mountpoint = join(folder, 'mnt');
	mkdirSync(mountpoint, {recursive: true});
	run('mount', ['-t', type, '-o', 'loop,commit=1000', image, mountpoint]);
	try {
		const script = `cd "$1"; mkdir churn; for i in 1 2 3 4 5 6 7 8; do
			head -c $((i * 900)) dir/large >churn/f$i; mkdir churn/d$i; done; sync -f .
			rm churn/f2 churn/f5; rmdir churn/d3; mv churn/f1 churn/d1/moved; ln -s target churn/link
			setfattr -n user.attr -v value churn/f3; sync -f .
			for i in 1 2 3; do head -c $((i * 700)) dir/large >churn/late-$i; sync churn/late-$i
			ln churn/late-$i churn/late-$i-link; mv churn/late-$i churn/renamed-$i; sync churn/renamed-$i; done
			truncate -s 100 churn/renamed-1; sync churn/renamed-1`;
		run('sh', ['-c', script, 'sh', mountpoint], true);
		run('cp', ['--sparse=always', image, `${image}.dirty`]);
	} finally {
		run('umount', [mountpoint]);
	}
	run('mv', [`${image}.dirty`, image]);
}

function make(recipe: Recipe, folder: string): void {
	const image = join(folder, `${recipe.name}.img`);
	run('truncate', ['-s', `${recipe.sizeKiB}K`, image]);
	const fixed = ['-q', '-F', '-U', uuid, '-E', `hash_seed=${uuid}`];
	const extended = recipe.mke2fs.indexOf('-E');
	const args = [...recipe.mke2fs];
	// mke2fs takes the last -E only.
	if (extended >= 0) fixed[5] = `${fixed[5]},${args.splice(extended, 2)[1]}`;
	run('mke2fs', [...fixed, ...args, image]);
	if (recipe.hash !== undefined) run('tune2fs', ['-E', `hash_alg=${recipe.hash}`, image]);
	debugfs(
		image,
		folder,
		recipe.populate.flatMap(what => populate(what, folder, recipe)),
	);
	// debugfs counts neither links nor the blocks of values; and it builds no index.
	run('e2fsck', ['-fy', ...(recipe.indexes === true ? ['-D'] : []), image], true);
	if (recipe.logFormat !== undefined) addLog(image, folder, recipe.logFormat);
	if (recipe.work === true) change(image, work);
	if (recipe.finish !== undefined) change(image, recipe.finish);
	if (recipe.dirtyMount !== undefined) dirty(image, folder, recipe.dirtyMount);
}

const target = join(import.meta.dirname, 'bases');
const folder = mkdtempSync(join(tmpdir(), 'ext4box-bases-'));
try {
	makeSources(folder);
	mkdirSync(target, {recursive: true});
	for (const recipe of process.getuid?.() === 0 ? [...recipes, ...mountedRecipes] : recipes) {
		make(recipe, folder);
		const image = readFileSync(join(folder, `${recipe.name}.img`));
		writeFileSync(join(target, `${recipe.name}.img.gz`), gzipSync(image, {level: 9}));
	}
} finally {
	rmSync(folder, {recursive: true});
}
