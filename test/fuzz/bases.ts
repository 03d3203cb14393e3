/**
 * The base images that are mutated: small, of different feature sets, made anew by mke2fs and
 * debugfs. With the same e2fsprogs they come out the same byte for byte, so that a seed finds its
 * image again; what a kernel adds, where root may mount, differs in its times.
 */
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {encrypt, setVerity, verityContents, writeFastCommits} from './handmade.ts';

/** Of the verity file: two of its blocks, the second not full. */
const verityDataSize = 7200;

type Recipe = {
	readonly name: string;
	readonly sizeKiB: number;
	readonly mke2fs: readonly string[];
	readonly populate: readonly Population[];
	/** Transactions in the log that wait to be replayed. */
	readonly hasLog?: boolean;
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
	| 'basic'
	| 'xattrs'
	| 'sparse'
	| 'names'
	| 'inline'
	| 'values'
	| 'casefold'
	| 'encrypted'
	| 'verity';

const recipes: readonly Recipe[] = [
	{
		name: 'ext2-1k',
		sizeKiB: 4096,
		mke2fs: ['-t', 'ext2', '-b', '1024', '-I', '128', '-N', '256'],
		populate: ['basic', 'xattrs', 'sparse', 'names'],
		hash: 'tea',
		indexes: true,
	},
	{
		name: 'ext3-1k-journal',
		sizeKiB: 6144,
		mke2fs: ['-t', 'ext3', '-b', '1024', '-I', '128', '-N', '256', '-J', 'size=1'],
		populate: ['basic', 'sparse', 'names'],
		indexes: true,
		hasLog: true,
	},
	{
		name: 'ext4-1k-journal',
		sizeKiB: 6144,
		mke2fs: ['-t', 'ext4', '-b', '1024', '-N', '256', '-J', 'size=1'],
		populate: ['basic', 'xattrs', 'sparse', 'names'],
		indexes: true,
		hasLog: true,
	},
	{
		name: 'ext4-1k-nojournal',
		sizeKiB: 4096,
		mke2fs: ['-t', 'ext4', '-b', '1024', '-O', '^has_journal', '-N', '256'],
		populate: ['basic', 'xattrs', 'sparse', 'names', 'deepNames'],
		indexes: true,
	},
	{
		name: 'ext4-inline-values-4k',
		sizeKiB: 4096,
		mke2fs: ['-t', 'ext4', '-O', '^has_journal,inline_data,ea_inode', '-b', '4096', '-N', '128'],
		populate: ['basic', 'xattrs', 'inline', 'values', 'names'],
		hash: 'legacy',
		indexes: true,
	},
	{
		name: 'ext4-gdtcsum-smallgroups',
		sizeKiB: 4096,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-I', '128', '-g', '512', '-N', '256'],
			...['-O', '^has_journal,^metadata_csum,^64bit,uninit_bg'],
		],
		populate: ['basic', 'xattrs', 'sparse'],
	},
	{
		name: 'ext4-metabg-sparse2',
		sizeKiB: 4096,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-g', '256', '-N', '256', '-E', 'num_backup_sb=2'],
			...['-O', '^has_journal,meta_bg,^resize_inode,^flex_bg,sparse_super2,^sparse_super'],
		],
		populate: ['basic', 'xattrs'],
	},
	{
		name: 'ext4-bigalloc',
		sizeKiB: 8192,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-C', '8192', '-N', '128', '-I', '512'],
			...['-O', '^has_journal,bigalloc,metadata_csum_seed,quota,project'],
		],
		populate: ['basic', 'xattrs', 'sparse'],
	},
	{
		name: 'ext4-casefold-encrypt',
		sizeKiB: 4096,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-N', '256', '-O', '^has_journal,casefold,encrypt,large_dir'],
			...['-E', 'encoding=utf8'],
		],
		populate: ['basic', 'names', 'deepNames', 'casefold', 'encrypted'],
		indexes: true,
		finish: encrypt,
	},
	{
		name: 'ext4-extent-4k-nocsum',
		sizeKiB: 6144,
		mke2fs: ['-t', 'ext4', '-b', '4096', '-O', '^has_journal,^metadata_csum,^64bit', '-N', '128'],
		populate: ['basic', 'xattrs', 'sparse', 'verity'],
		finish: image => setVerity(image, 'verity', verityDataSize),
	},
	{
		name: 'ext4-fastcommit',
		sizeKiB: 6144,
		mke2fs: ['-t', 'ext4', '-b', '1024', '-N', '256', '-O', 'fast_commit', '-J', 'size=2'],
		populate: ['basic', 'xattrs', 'sparse', 'names'],
		indexes: true,
		hasLog: true,
		finish: writeFastCommits,
	},
	{
		name: 'ext4-fastcommit-inline',
		sizeKiB: 6144,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-N', '256', '-J', 'size=2'],
			...['-O', 'fast_commit,inline_data,^metadata_csum'],
		],
		populate: ['basic', 'xattrs', 'inline', 'names'],
		hasLog: true,
		finish: writeFastCommits,
	},
];

/** Made only where root can mount them: what a kernel leaves in its journal. */
const mountedRecipes: readonly Recipe[] = [
	{
		name: 'kernel-ext4-dirty',
		sizeKiB: 6144,
		mke2fs: ['-t', 'ext4', '-b', '1024', '-N', '256', '-J', 'size=1'],
		populate: ['basic', 'xattrs', 'sparse'],
		dirtyMount: 'ext4',
	},
	{
		name: 'kernel-ext3-dirty',
		sizeKiB: 6144,
		mke2fs: ['-t', 'ext3', '-b', '1024', '-N', '256', '-J', 'size=1'],
		populate: ['basic', 'sparse'],
		dirtyMount: 'ext3',
	},
	{
		name: 'kernel-ext4-fastcommit-inline',
		sizeKiB: 8192,
		mke2fs: [
			...['-t', 'ext4', '-b', '1024', '-N', '256', '-J', 'size=2'],
			...['-O', 'fast_commit,inline_data'],
		],
		populate: ['basic', 'xattrs', 'inline'],
		dirtyMount: 'ext4',
	},
	{
		name: 'kernel-ext4-fastcommit',
		sizeKiB: 8192,
		mke2fs: ['-t', 'ext4', '-b', '1024', '-N', '256', '-J', 'size=2', '-O', 'fast_commit'],
		populate: ['basic'],
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
	put('medium', 'a line of medium length\n'.repeat(300));
	put('large', 'a line of a large file\n'.repeat(9000));
	put('ea.tiny', 'forty bytes, more or less, of an attribute');
	put('ea.mid', 'x'.repeat(400));
	put('ea.big', 'big value '.repeat(600));
	put('verity', verityContents(verityDataSize));
	put('inline90', 'i'.repeat(90));
	const acl = [2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0];
	acl.push(4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 6, 0, 255, 255, 255, 255);
	put('ea.acl', Uint8Array.from([...acl, 32, 0, 0, 0, 255, 255, 255, 255]));
	// Data and hole in turns: many extents, many pointers. debugfs leaves the holes out.
	const alternating = new Uint8Array(1200 * 1024);
	for (let block = 0; block < 1200; block += 2)
		alternating.fill(65 + (block % 26), block * 1024, (block + 1) * 1024);
	put('alternating', alternating);
	const wide = new Uint8Array(1200 * 4096);
	for (let block = 0; block < 1200; block += 6) wide.fill(97, block * 4096, block * 4096 + 4096);
	put('wide', wide);
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
			return [`write ${from(recipe.mke2fs.includes('4096') ? 'wide' : 'alternating')} sparse`];
		case 'names':
			return [
				'mkdir many',
				// debugfs makes room for new files, but not for new links.
				...Array.from({length: 11}, () => 'expand_dir many'),
				...Array.from({length: 140}, (_, i) => `ln small many/${'name'.repeat(12)}-${i}`),
				'sif small links_count 142',
			];
		case 'deepNames':
			// Four names a block make so many leaves that the index needs a second level.
			return [
				'mkdir deep',
				...Array.from({length: 150}, () => 'expand_dir deep'),
				...Array.from({length: 560}, (_, i) => `ln small deep/${'n'.repeat(236)}-${i}`),
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

/** Blocks whose copies go into the log, so that replaying them changes nothing while it is well. */
function journalCommands(image: string, folder: string, recipe: Recipe): string[] {
	const superblock = run('debugfs', ['-R', 'stats', image]);
	const first = Number(/Inode table at (\d+)/.exec(superblock)?.[1] ?? 0);
	const root = run('debugfs', ['-R', 'blocks <2>', image]).trim().split(/\s+/).map(Number);
	const many = run('debugfs', ['-R', 'blocks many', image]).trim().split(/\s+/).map(Number);
	const metadata = run('debugfs', ['-R', 'stat sparse', image]);
	const trees = [...metadata.matchAll(/\((?:ETB\d+|D?IND)\):(\d+)/g)].map(match =>
		Number(match[1]),
	);
	const blocks = [2, first, first + 1, ...root, ...many.slice(0, 6), ...trees.slice(0, 4)];
	const bytes = readFileSync(image);
	const write = (list: readonly number[], name: string) => {
		const path = join(folder, `${recipe.name}.${name}`);
		writeFileSync(path, Buffer.concat(list.map(b => bytes.subarray(b * 1024, (b + 1) * 1024))));
		return `jw -b ${list.join(',')} ${path}`;
	};
	const half = Math.ceil(blocks.length / 2);
	return [
		// debugfs makes the old transaction checksum wrong where blocks are revoked.
		/ext3|\^metadata_csum/.test(recipe.mke2fs.join(' ')) ? 'jo' : 'jo -c',
		write(blocks, 'journal-1'),
		`jw -r ${trees[0] ?? 3000},${many.at(-1) ?? 3001}`,
		write(blocks.slice(0, half), 'journal-2'),
		write(blocks.slice(half), 'journal-3'),
		'jc',
	];
}

function debugfs(image: string, folder: string, commands: readonly string[]): void {
	const path = join(folder, 'commands');
	writeFileSync(path, `${commands.join('\n')}\n`);
	run('debugfs', ['-w', '-f', path, image]);
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
	if (recipe.hasLog === true) debugfs(image, folder, journalCommands(image, folder, recipe));
	if (recipe.finish !== undefined) {
		const bytes = new Uint8Array(readFileSync(image));
		recipe.finish(bytes);
		writeFileSync(image, bytes);
	}
	if (recipe.dirtyMount !== undefined) dirty(image, folder, recipe.dirtyMount);
}

export function isKernelBase(name: string): boolean {
	return mountedRecipes.some(recipe => recipe.name === name);
}

export type Base = {readonly name: string; readonly path: string};

/** Makes what is missing in `folder`. Throws where a tool fails. */
export function makeBases(folder: string, withKernel: boolean): Base[] {
	mkdirSync(folder, {recursive: true});
	makeSources(folder);
	const wanted = withKernel ? [...recipes, ...mountedRecipes] : recipes;
	return wanted.map(recipe => {
		const path = join(folder, `${recipe.name}.img`);
		if (!existsSync(path)) make(recipe, folder);
		return {name: recipe.name, path};
	});
}
