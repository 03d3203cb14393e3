/** info, ls, cat, stat and extents on a small file system; dumpe2fs and debugfs are the oracles. */
import {spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {debugfs, e2fsprogs} from '../support/e2fsprogs.ts';
import {contents, indexedNames, makeImage, sparse} from '../support/made-image.ts';
import {writeMbr} from '../support/partition-tables.ts';
import {run, temporary} from '../support/program.ts';
import {addDirectory, dots, writeEntries} from '../support/tiny-directory.ts';
import {TinyImage} from '../support/tiny-image.ts';

const image = makeImage();
test.after.always(() => image.remove());

function json<T>(t: ExecutionContext, args: readonly string[]): T {
	const {status, stdout, stderr} = run(args);
	t.is(status, 0, stderr);
	return JSON.parse(stdout) as T;
}

function lines(t: ExecutionContext, args: readonly string[]): string[] {
	const {status, stdout, stderr} = run(args);
	t.is(status, 0, stderr);
	return stdout.split('\n').slice(0, -1);
}

/** What dumpe2fs says behind `name:`. */
function dumped(name: string, path = image.path): string {
	const line = e2fsprogs('dumpe2fs', ['-h', path])
		.split('\n')
		.find(each => each.startsWith(`${name}:`));
	return (line ?? '').slice(name.length + 1).trim();
}

type Info = {
	type: string;
	label: string;
	uuid: string;
	features: string[];
	state: {isClean: boolean};
	layout: {[name: string]: number};
	times: {created: string};
	journal: {sizeBytes: number; inode: number; replayed: unknown};
	directoryHash: {version: string; seed: string};
	image: {offsetBytes: number; partition: number | null};
};

test('info says of an image what dumpe2fs says', t => {
	const info = json<Info>(t, ['info', '--json', image.path]);
	t.is(info.type, 'ext4');
	t.is(info.label, 'made');
	t.is(info.uuid, dumped('Filesystem UUID'));
	t.deepEqual([...info.features].sort(), dumped('Filesystem features').split(' ').sort());
	const numbers = {
		blockSize: 'Block size',
		blockCount: 'Block count',
		freeBlockCount: 'Free blocks',
		reservedBlockCount: 'Reserved block count',
		inodeCount: 'Inode count',
		freeInodeCount: 'Free inodes',
		inodeSize: 'Inode size',
		blocksPerGroup: 'Blocks per group',
		inodesPerGroup: 'Inodes per group',
		firstDataBlock: 'First block',
	};
	for (const [ours, theirs] of Object.entries(numbers)) {
		t.is(info.layout[ours], Number(dumped(theirs)), ours);
	}
	t.is(Date.parse(info.times.created), Date.parse(`${dumped('Filesystem created')}`));
	t.is(info.journal.inode, Number(dumped('Journal inode')));
	t.is(info.journal.sizeBytes, Number.parseInt(dumped('Total journal size'), 10) * 1024);
	t.is(info.directoryHash.version, dumped('Default directory hash'));
	t.is(info.directoryHash.seed, dumped('Directory Hash Seed'));
	t.true(info.state.isClean);
});

test('info prints the same for people', t => {
	const {stdout} = run(['info', image.path]);
	t.regex(stdout, /^Type: +ext4, revision 1, made by Linux$/m);
	t.regex(stdout, /^Label: +made$/m);
	t.regex(stdout, /^State: +clean$/m);
	t.regex(stdout, new RegExp(`^UUID: +${dumped('Filesystem UUID')}$`, 'm'));
});

test('info --groups has the counts of the descriptors', t => {
	type GroupFacts = {
		index: number;
		freeClusterCount: number;
		usedDirectoryCount: number;
		inodeTable: number;
	};
	const groups = json<GroupFacts[]>(t, ['info', '--groups', '--json', image.path]);
	const theirs = [
		...e2fsprogs('dumpe2fs', [image.path]).matchAll(
			/Inode table at (\d+)-.*\n +(\d+) free blocks, \d+ free inodes, (\d+) directories/g,
		),
	].map(match => match.slice(1).map(Number));
	t.deepEqual(
		groups.map(group => [group.inodeTable, group.freeClusterCount, group.usedDirectoryCount]),
		theirs,
	);
	t.is(lines(t, ['info', '--groups', image.path]).length, groups.length + 1);
});

test('info --superblock prints the fields by their names', t => {
	type Field = {name: string; value: number | string};
	const fields = json<Field[]>(t, ['info', '--superblock', '--json', image.path]);
	const fieldOf = (name: string) => fields.find(field => field.name === name)?.value;
	t.is(fieldOf('s_magic'), 0xef53);
	t.is(fieldOf('s_blocks_count_lo'), Number(dumped('Block count')));
	t.is(fieldOf('s_uuid'), dumped('Filesystem UUID').replaceAll('-', ''));
	t.regex(run(['info', '--superblock', image.path]).stdout, /^s_magic +61267 +0xef53$/m);
});

test('info --superblock looks at what can not be opened', t => {
	const path = join(temporary(t), 'image');
	fs.writeFileSync(path, new TinyImage({superblock: {s_feature_incompat: 0x4000_0042}}).bytes);
	t.is(run(['info', path]).status, 1);
	t.regex(run(['info', '--superblock', path]).stdout, /^s_feature_incompat +1073741890 /m);
});

test('info says what replaying the journal brought, and does not do it on disk', t => {
	const path = join(temporary(t), 'dirty');
	fs.copyFileSync(image.path, path);
	// A file's text, put into the journal and not home.
	const block = Buffer.from(contents.text).subarray(0, 1024);
	const blockFile = join(temporary(t), 'block');
	fs.writeFileSync(
		blockFile,
		block.map(byte => byte ^ 1),
	);
	const [first] = json<{extents: {physical: number}[]}>(t, [
		'extents',
		'--json',
		path,
		'/text',
	]).extents;
	debugfs(
		[`jo -c`, `jw -b ${first?.physical} ${blockFile}`, 'jc'].map(line => Buffer.from(line)),
		path,
	);
	const before = fs.readFileSync(path);
	const info = json<Info>(t, ['info', '--json', path]);
	t.deepEqual(info.journal.replayed, {transactions: 1, blocks: 1, revoked: 0});
	t.deepEqual(
		run(['cat', path, '/text']).bytes.subarray(0, 1024),
		Buffer.from(block.map(byte => byte ^ 1)),
	);
	t.is(run(['cat', '--norecovery', path, '/text']).stdout, contents.text);
	t.deepEqual(fs.readFileSync(path), before);
});

test('an image in a partition is found, and one of two is chosen', t => {
	const path = join(temporary(t), 'disk');
	const disk = new Uint8Array(20 * 2 ** 20);
	disk.set(fs.readFileSync(image.path), 2 ** 20);
	writeMbr(disk, [{start: 2048, length: 16384}]);
	fs.writeFileSync(path, disk);
	t.deepEqual(json<Info>(t, ['info', '--json', path]).image as unknown, {
		sizeBytes: disk.length,
		offsetBytes: 2 ** 20,
		partition: 1,
	});
	t.is(run(['cat', '--offset', '1M', path, '/hello']).stdout, contents.hello);
	t.is(run(['cat', '--offset', '2048s', path, '/hello']).stdout, contents.hello);
	t.is(run(['cat', '--offset', '0x100000', path, '/hello']).stdout, contents.hello);
	disk.set(fs.readFileSync(image.path), 10 * 2 ** 20);
	writeMbr(disk, [
		{start: 2048, length: 16384},
		{start: 20480, length: 16384},
	]);
	fs.writeFileSync(path, disk);
	t.regex(
		run(['info', path]).stderr,
		/choose one with --partition N: 1 .*label made\); 2 .*_PARTITIONS\]\n$/,
	);
	t.is(json<Info>(t, ['info', '--json', '--partition', '2', path]).image.offsetBytes, 10 * 2 ** 20);
});

const rootNames = [
	'block',
	'character',
	'empty',
	'folder',
	'hello',
	'hello again',
	'indexed',
	'link',
	'long link',
	'lost+found',
	'pipe',
	'sparse',
	'text',
];

test('ls prints names in order, one a line', t => {
	t.deepEqual(lines(t, ['ls', image.path]), rootNames);
	t.deepEqual(lines(t, ['ls', image.path, '/indexed']), [...indexedNames].sort());
	t.deepEqual(lines(t, ['ls', image.path, 'folder/../folder/inner/']), ['deep']);
});

test('ls -l prints what ls -l prints, with numbers for owners', t => {
	const long = lines(t, ['ls', '-l', image.path]);
	const line = (name: string) => long.find(each => each.endsWith(` ${name}`)) ?? '';
	t.regex(line('hello'), /^-rw-r--r-- +2 1000 100000 +13 2140-02-16 20:05 /);
	t.regex(line('character'), /^c--------- +1 +0 +0 +1, 3 /);
	t.regex(line('link -> hello'), /^lrwxrwxrwx /);
	t.regex(line('folder'), /^drwxr-xr-x +3 /);
});

test('ls -R names every file, as find does', t => {
	type Listed = {path: string; type: string};
	const listed = json<Listed[]>(t, ['ls', '-aR', '--json', image.path]).map(({path}) => path);
	const expected = [
		...rootNames.map(name => `/${name}`),
		'/folder/inner',
		'/folder/inner/deep',
		...indexedNames.map(name => `/indexed/${name}`),
	];
	t.deepEqual([...listed].sort(), expected.sort());
	const text = lines(t, ['ls', '-R', image.path, '/folder']);
	t.deepEqual(text, ['/folder:', 'inner', '', '/folder/inner:', 'deep']);
});

test('ls -i prints inode numbers', t => {
	const [line = ''] = lines(t, ['ls', '-i', image.path, '/hello']);
	const stat = debugfs([Buffer.from('stat /hello')], image.path);
	t.is(Number(line.split(' ')[0]), Number(/Inode: (\d+)/.exec(stat)?.[1]));
});

test('names that could act on a terminal are printed as they are into a pipe, quoted on a terminal', t => {
	const path = join(temporary(t), 'image');
	const tiny = new TinyImage({blockSize: 4096, blockCount: 64});
	const names = [Buffer.from('a\u001b[2Jb'), Uint8Array.of(0x62, 0xff)];
	addDirectory(tiny, 2, [tiny.firstFreeBlock]);
	const entries = names.map((name, index) => ({inode: 12 + index, name}));
	writeEntries(tiny.block(tiny.firstFreeBlock), [...dots, ...entries]);
	for (const {inode} of entries) tiny.setInode(inode, {i_mode: 0o100644});
	fs.writeFileSync(path, tiny.seal().bytes);
	const nl = Buffer.from('\n');
	t.deepEqual(run(['ls', path]).bytes, Buffer.concat(names.flatMap(name => [name, nl])));
	const program = join(import.meta.dirname, '../../src/cli.ts');
	const command = `'${process.execPath}' '${program}' ls '${path}'`;
	const shown = spawnSync('script', ['-qec', command, '/dev/null'], {encoding: 'latin1'});
	if (shown.error !== undefined) t.log('script(1) is missing: a terminal was not tried');
	else t.deepEqual(shown.stdout.trim().split(/\r?\n/), ["$'a\\e[2Jb'", "$'b\\377'"]);
	// A path that is not UTF-8 reaches the program as its bytes all the same.
	const stat = spawnSync('sh', [
		'-c',
		`"$0" "$1" stat --json "$2" "$(printf '/b\\377')"`,
		process.execPath,
		program,
		path,
	]);
	t.regex(stat.stdout.toString(), /"pathBase64":"L2L\/"/, stat.stderr.toString());
});

test('a damaged inode is told, and the others are listed', t => {
	const path = join(temporary(t), 'image');
	const tiny = new TinyImage({blockSize: 4096, blockCount: 64});
	addDirectory(tiny, 2, [tiny.firstFreeBlock]);
	writeEntries(tiny.block(tiny.firstFreeBlock), [
		...dots,
		{inode: 12, name: 'bad'},
		{inode: 13, name: 'good'},
		{inode: 2, name: 'root', type: 2},
	]);
	tiny.setInode(12, {i_mode: 0o000644});
	tiny.setInode(13, {i_mode: 0o100644});
	fs.writeFileSync(path, tiny.seal().bytes);
	const result = run(['ls', '-lR', path]);
	t.is(result.status, 1);
	t.regex(result.stderr, /: \/bad: .*\[EXT4_BAD_INODE\]\n/);
	t.regex(result.stdout, /^\?--------- .* bad$/m);
	t.regex(result.stdout, /^-rw-r--r-- .* good$/m);
});

test('cat prints contents byte for byte, through links', t => {
	t.is(run(['cat', image.path, '/hello', '/text']).stdout, contents.hello + contents.text);
	t.is(run(['cat', image.path, 'link']).stdout, contents.hello);
	const bytes = run(['cat', image.path, '/sparse']).bytes;
	t.is(bytes.length, sparse.sizeBytes);
	t.is(bytes[sparse.blockSize - 1], 0x61);
	t.is(bytes[sparse.blockSize], 0);
});

test('cat goes on after what it can not print', t => {
	const result = run(['cat', image.path, '/folder', '/none', '/pipe', '/long link', '/hello']);
	t.is(result.status, 1);
	t.is(result.stdout, contents.hello);
	t.deepEqual(
		result.stderr.split('\n').map(line => line.slice(`ext4box: ${image.path}: `.length)),
		[
			'/folder: this is a directory [EISDIR]',
			'/none: no such file or directory [ENOENT]',
			'/pipe: this is a FIFO [EINVAL]',
			'/long link: no such file or directory [ENOENT]',
			'',
		],
	);
});

test('links are followed inside the image and no further', t => {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	const links = [
		'symlink out /../../folder/inner',
		'symlink round round',
		'symlink through link/x',
	];
	debugfs(
		links.map(line => Buffer.from(line)),
		path,
	);
	t.is(run(['cat', path, '/out/deep']).stdout, 'deep');
	t.regex(run(['cat', path, '/round']).stderr, /too many symbolic links \[ELOOP\]/);
	t.regex(run(['cat', path, '/through']).stderr, /not a directory \[ENOTDIR\]/);
	t.regex(run(['cat', path, '/hello/']).stderr, /not a directory \[ENOTDIR\]/);
	t.is(run(['ls', path, '/../..']).stdout.split('\n')[0], 'block');
});

type Stat = {
	inode: number;
	type: string;
	mode: string;
	links: number;
	uid: number;
	gid: number;
	size: number;
	flags: string[];
	generation: number;
	modified: string;
	created: string;
	sectors: number;
	xattrs: {name: string; value: string; storedIn: string}[];
	target?: string;
};

test('stat says what debugfs says', t => {
	const [stat] = json<Stat[]>(t, ['stat', '--json', image.path, '/hello']);
	if (stat === undefined) return t.fail();
	const theirs = debugfs([Buffer.from('stat /hello')], image.path);
	t.is(stat.inode, Number(/Inode: (\d+)/.exec(theirs)?.[1]));
	t.is(stat.sectors, Number(/Blockcount: (\d+)/.exec(theirs)?.[1]));
	t.is(stat.generation, Number(/Generation: (\d+)/.exec(theirs)?.[1]));
	t.like(stat, {type: 'file', mode: '0644', links: 2, uid: 1000, gid: 100000, size: 13});
	t.is(stat.modified, '2140-02-16T20:05:20.123456789Z');
	t.deepEqual(
		stat.xattrs.map(({name, value}) => [name, value]),
		[
			['user.comment', 'greeting'],
			['trusted.secret', 'hidden'],
		],
	);
	t.deepEqual(stat.flags, ['extents']);
});

test('stat shows a link itself, and an inode by its number', t => {
	const [link, root] = json<Stat[]>(t, ['stat', '--json', image.path, '/link', '<2>']);
	t.like(link, {type: 'symlink', target: 'hello'});
	t.like(root, {inode: 2, type: 'directory'});
	const {stdout} = run(['stat', image.path, '/text']);
	t.regex(stdout, /^Flags: +ide \(immutable, noDump, extents\)$/m);
	for (const number of ['0', '99999', '9999999999']) {
		const {status, stderr} = run(['ls', image.path, `<${number}>`]);
		t.is(status, 1);
		t.regex(stderr, new RegExp(`there is no inode ${number}: .* are 1 to \\d+ \\[ENOENT\\]\n$`));
	}
});

type Extents = {
	storedAs: string;
	extentCount: number;
	mappedBlocks: number;
	holeBlocks: number;
	fragments: number;
	extents: {kind: string; logical: number; length: number; physical?: number}[];
};

test('extents names holes and data, as debugfs does', t => {
	const extents = json<Extents>(t, ['extents', '--json', image.path, '/sparse']);
	t.deepEqual(
		extents.extents.map(({kind, logical, length}) => [kind, logical, length]),
		[
			['mapped', 0, 1],
			['hole', 1, 2],
			['mapped', 3, 1],
			['hole', 4, 60],
		],
	);
	t.like(extents, {storedAs: 'extents', extentCount: 2, mappedBlocks: 2, holeBlocks: 62});
	const theirs = debugfs([Buffer.from('stat /sparse')], image.path);
	const found = [...theirs.matchAll(/\((\d+)\):(\d+)/g)].map(match => match.slice(1).map(Number));
	t.deepEqual(
		extents.extents
			.filter(({kind}) => kind === 'mapped')
			.map(each => [each.logical, each.physical]),
		found,
	);
});

test('extents of what lies in the inode, of a directory, and of what has no contents', t => {
	t.regex(run(['extents', image.path, '/link']).stdout, /^\/hello: /);
	const [link] = json<{inode: number}[]>(t, ['ls', '-l', '--json', image.path, '/link']);
	t.regex(run(['extents', image.path, `<${link?.inode}>`]).stdout, /lie in the inode itself/);
	t.true(json<Extents>(t, ['extents', '--json', image.path, '/indexed']).mappedBlocks > 1);
	t.regex(run(['extents', image.path, '/pipe']).stderr, /a FIFO has no contents.*\[EINVAL\]/);
});

test('extents of a file with a block map', t => {
	const old = makeImage(['-O', '^extent,^64bit']);
	t.teardown(old.remove);
	const extents = json<Extents>(t, ['extents', '--json', old.path, '/sparse']);
	t.like(extents, {storedAs: 'block map', mappedBlocks: 2, holeBlocks: 62});
	t.deepEqual(
		extents.extents.map(({kind, logical, length}) => [kind, logical, length]),
		[
			['mapped', 0, 1],
			['hole', 1, 2],
			['mapped', 3, 1],
			['hole', 4, 60],
		],
	);
});

test('space set aside beyond the end of a file is shown', t => {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	debugfs([Buffer.from('fallocate /hello 1 20')], path);
	const {stdout} = run(['extents', path, '/hello']);
	t.regex(stdout, /unwritten,beyond-end/);
	t.regex(stdout, /set aside/);
});
