import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import * as fs from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {inodeFlags, Volume} from '../../ext4/index.ts';
import {openImage} from '../../images/index.ts';
import {openTarget} from '../../src/extract/target.ts';
import {Tree} from '../../src/extract/tree.ts';
import * as syscalls from '../../src/syscalls.ts';
import {contents, indexedNames, makeImage, sparse} from '../support/made-image.ts';
import {type Result, run, temporary} from '../support/program.ts';
import {testUnless} from '../support/skip.ts';
import {addDirectory, dots, type TinyEntry, writeEntries} from '../support/tiny-directory.ts';
import {TinyImage, writeLeaf} from '../support/tiny-image.ts';

const program = join(import.meta.dirname, '../../src/cli.ts');
const image = makeImage();
fs.chmodSync(join(image.path, '..'), 0o755);
test.after.always(() => image.remove());

const isRoot = process.geteuid?.() === 0;

function extract(
	t: ExecutionContext,
	path: string,
	...options: string[]
): {out: string; result: Result} {
	const out = join(temporary(t), 'out');
	return {out, result: run(['extract', path, '-o', out, ...options], {isOrdinary: true})};
}

const notRoot = isRoot ? undefined : 'not root';

/** Null where the file has no attribute of that name; undefined where getfattr is not installed. */
function attributeOf(path: string, name: string): string | null | undefined {
	const result = spawnSync('getfattr', ['-h', '--only-values', '-n', name, path], {
		encoding: 'utf8',
	});
	if (result.error !== undefined) return undefined;
	return result.status === 0 ? result.stdout : null;
}

test('an ordinary user gets the tree: contents, modes, times, links, holes', t => {
	const {out, result} = extract(t, image.path);
	t.is(result.status, 0, result.stderr);
	t.is(result.stderr, '');
	const at = (name: string) => join(out, name);
	t.is(fs.readFileSync(at('hello'), 'utf8'), contents.hello);
	t.is(fs.readFileSync(at('text'), 'utf8'), contents.text);
	t.is(fs.readFileSync(at('folder/inner/deep'), 'utf8'), 'deep');
	t.deepEqual(fs.readdirSync(at('indexed')).sort(), [...indexedNames].sort());
	t.is(fs.statSync(at('text')).mode & 0o7777, 0o600);
	// 0x40000000 seconds, beyond 2038 by two bits of the extra field, and its nanoseconds.
	const times = fs.statSync(at('hello'), {bigint: true});
	t.is(times.mtimeNs, (0x4000_0000n + 2n ** 32n) * 10n ** 9n + (0x1d6f3455n >> 2n));
	t.is(times.ino, fs.statSync(at('hello again'), {bigint: true}).ino);
	t.is(times.nlink, 2n);
	t.is(fs.readlinkSync(at('link')), 'hello');
	t.is(fs.readlinkSync(at('long link')).length, 153);
	t.true(fs.statSync(at('pipe')).isFIFO());
	t.is(fs.statSync(at('empty')).size, 0);
});

test('holes stay holes', t => {
	const {out, result} = extract(t, image.path, '--json');
	const bytes = fs.readFileSync(join(out, 'sparse'));
	t.is(bytes.length, sparse.sizeBytes);
	for (const block of sparse.dataBlocks) {
		t.is(bytes[block * sparse.blockSize], 0x61 + block);
	}
	t.is(
		bytes.reduce((sum, byte) => sum + (byte === 0 ? 0 : 1), 0),
		2 * sparse.blockSize,
	);
	t.true(fs.statSync(join(out, 'sparse')).blocks * 512 < sparse.sizeBytes, result.stdout);
});

test('what an ordinary user can not be given is counted', t => {
	const {out, result} = extract(t, image.path, '--json');
	const summary = JSON.parse(result.stdout) as {leftOut: unknown; failures: number};
	t.is(summary.failures, 0);
	t.deepEqual(summary.leftOut, {devices: 2, setIdBits: 0, hardLinks: 0, xattrs: {trusted: 1}});
	t.false(fs.existsSync(join(out, 'character')));
	const comment = attributeOf(join(out, 'hello'), 'user.comment');
	if (comment === undefined) t.log('getfattr is missing: attributes are not looked at');
	else t.is(comment, 'greeting');
});

test('directories get the times that the image gives them, after their contents', t => {
	const {out} = extract(t, image.path);
	const stat = run(['stat', '--json', image.path, '/indexed', '/folder']);
	type Facts = {path: string; modified: string}[];
	for (const {path, modified} of JSON.parse(stat.stdout) as Facts) {
		const {mtimeNs} = fs.statSync(join(out, path), {bigint: true});
		const [seconds = '', fraction = ''] = modified.slice(0, -1).split('.');
		t.is(mtimeNs, BigInt(Date.parse(`${seconds}Z`)) * 10n ** 6n + BigInt(fraction));
	}
});

testUnless(notRoot, 'root keeps owners and devices when asked, and only then', t => {
	const directory = temporary(t);
	for (const [name, options] of [
		['kept', ['--owners']],
		['not', []],
	] as const) {
		const out = join(directory, name);
		t.is(run(['extract', image.path, '-o', out, ...options]).status, 0);
		const isKept = name === 'kept';
		const hello = fs.statSync(join(out, 'hello'));
		t.deepEqual([hello.uid, hello.gid], isKept ? [1000, 100000] : [0, 0]);
		t.is(fs.existsSync(join(out, 'character')), isKept);
		if (isKept) t.is(fs.statSync(join(out, 'character')).rdev, 0x103);
		const secret = attributeOf(join(out, 'hello'), 'trusted.secret');
		if (secret !== undefined) t.is(secret, 'hidden');
	}
});

test('owners are for root', t => {
	const {out, result} = extract(t, image.path, '--owners');
	t.is(result.status, 1);
	t.is(result.stderr, 'ext4box: --owners needs root\n');
	t.false(fs.existsSync(out));
});

test('a directory below can be extracted alone, and so can a file', t => {
	const directory = temporary(t);
	const folder = join(directory, 'folder');
	t.is(run(['extract', image.path, '/folder', '-o', folder]).status, 0);
	t.deepEqual(fs.readdirSync(folder), ['inner']);
	const file = join(directory, 'file');
	t.is(run(['extract', image.path, '/folder/inner/deep', '-o', file]).status, 0);
	t.deepEqual(fs.readdirSync(file), ['deep']);
	const link = join(directory, 'link');
	t.is(run(['extract', image.path, '/link', '-o', link]).status, 0);
	t.is(fs.readlinkSync(join(link, 'link')), 'hello');
});

test('a directory that is not empty is refused without --force, and nothing in it changes', t => {
	const out = temporary(t);
	fs.writeFileSync(join(out, 'hello'), 'mine');
	const result = run(['extract', image.path, '-o', out]);
	t.is(result.status, 1);
	t.regex(result.stderr, /^ext4box: .*is not empty; --force .*\n$/);
	t.deepEqual(fs.readdirSync(out), ['hello']);
	t.is(fs.readFileSync(join(out, 'hello'), 'utf8'), 'mine');
});

test('a target below nothing is refused', t => {
	const result = run(['extract', image.path, '-o', join(temporary(t), 'a/b')]);
	t.is(result.status, 1);
	t.regex(result.stderr, /the directory above it does not exist/);
});

test('with --force files are replaced, and links in the target lead nowhere', t => {
	const directory = temporary(t);
	const outside = join(directory, 'outside');
	const out = join(directory, 'out');
	fs.mkdirSync(join(outside, 'folder'), {recursive: true});
	fs.writeFileSync(join(outside, 'file'), 'precious');
	fs.mkdirSync(out);
	fs.writeFileSync(join(out, 'kept'), 'mine');
	fs.writeFileSync(join(out, 'text'), 'mine');
	fs.symlinkSync('../outside/file', join(out, 'hello'));
	fs.symlinkSync('../outside/folder', join(out, 'folder'));
	fs.linkSync(join(outside, 'file'), join(out, 'empty'));
	const result = run(['extract', '--force', image.path, '-o', out]);
	t.is(result.status, 0, result.stderr);
	t.is(fs.readFileSync(join(outside, 'file'), 'utf8'), 'precious');
	t.deepEqual(fs.readdirSync(join(outside, 'folder')), []);
	t.true(fs.lstatSync(join(out, 'folder')).isDirectory());
	t.is(fs.readFileSync(join(out, 'hello'), 'utf8'), contents.hello);
	t.is(fs.readFileSync(join(out, 'text'), 'utf8'), contents.text);
	t.is(fs.readFileSync(join(out, 'kept'), 'utf8'), 'mine');
	t.is(fs.statSync(join(out, 'empty')).size, 0);
});

test('with --force a directory in the way of a file is left alone, and that is told', t => {
	const out = temporary(t);
	fs.mkdirSync(join(out, 'hello/mine'), {recursive: true});
	const result = run(['extract', '--force', image.path, '-o', out]);
	t.is(result.status, 1);
	t.regex(result.stderr, /: \/hello: .*\[TARGET_EISDIR\]/);
	t.true(fs.existsSync(join(out, 'hello/mine')));
	t.is(fs.readFileSync(join(out, 'text'), 'utf8'), contents.text);
});

test('--force extracts again over what was extracted before', t => {
	const out = join(temporary(t), 'out');
	for (const options of [[], ['--force']]) {
		const result = run(['extract', image.path, '-o', out, ...options], {isOrdinary: true});
		t.is(result.status, 0, result.stderr);
	}
	t.is(fs.statSync(join(out, 'hello')).nlink, 2);
});

/** A tiny image whose root holds these entries; the test makes their inodes. */
function tinyImage(entries: readonly TinyEntry[], fill: (image: TinyImage) => void): TinyImage {
	const tiny = new TinyImage({blockSize: 4096, blockCount: 64});
	const block = tiny.firstFreeBlock;
	addDirectory(tiny, 2, [block]);
	writeEntries(tiny.block(block), [...dots, ...entries]);
	fill(tiny);
	return tiny.seal();
}

function writeTiny(t: ExecutionContext, tiny: TinyImage): string {
	const path = join(temporary(t), 'tiny');
	fs.writeFileSync(path, tiny.bytes);
	return path;
}

function addFile(tiny: TinyImage, number: number, text: string, fields = {}): void {
	const block = tiny.firstFreeBlock + number - 10;
	tiny.setInode(number, {
		i_mode: 0o100644,
		i_flags: inodeFlags.extents,
		i_size_lo: text.length,
		...fields,
	});
	writeLeaf(tiny.blockField(number), [{logical: 0, length: 1, physical: block}]);
	tiny.block(block).set(Buffer.from(text));
}

for (const name of ['../evil', '/evil', 'a/b', 'nul\0', '..\0x']) {
	test(`the name ${JSON.stringify(name)} reaches no file`, t => {
		const tiny = tinyImage([{inode: 12, name}], made => addFile(made, 12, 'evil'));
		const {out, result} = extract(t, writeTiny(t, tiny));
		t.is(result.status, 1);
		t.regex(result.stderr, /\[EXT4_BAD_DIRECTORY_ENTRY\]/);
		t.deepEqual(fs.readdirSync(out), []);
		t.deepEqual(fs.readdirSync(join(out, '..')), ['out']);
	});
}

test('a link and a directory of one name: nothing is written where the link leads', t => {
	const directory = temporary(t);
	const outside = join(directory, 'outside');
	fs.mkdirSync(outside);
	const entries = [
		{inode: 12, name: 'x', type: 7},
		{inode: 13, name: 'x', type: 2},
	];
	const tiny = tinyImage(entries, made => {
		const target = Buffer.from(outside);
		made.setInode(12, {i_mode: 0o120777, i_size_lo: target.length});
		made.blockField(12).set(target);
		addDirectory(made, 13, [made.firstFreeBlock + 1]);
		writeEntries(made.block(made.firstFreeBlock + 1), [...dots, {inode: 14, name: 'evil'}]);
		addFile(made, 14, 'evil');
	});
	const path = writeTiny(t, tiny);
	for (const options of [[], ['--force']]) {
		const out = join(directory, `out${options.length}`);
		const result = run(['extract', path, '-o', out, ...options]);
		t.is(result.status, options.length === 0 ? 1 : 0, result.stderr);
		t.deepEqual(fs.readdirSync(outside), []);
	}
	t.is(fs.readFileSync(join(directory, 'out1/x/evil'), 'utf8'), 'evil');
});

test('a directory that holds one of its ancestors is entered once', t => {
	const entries = [
		{inode: 12, name: 'down', type: 2},
		{inode: 13, name: 'file'},
	];
	const tiny = tinyImage(entries, made => {
		addDirectory(made, 12, [made.firstFreeBlock + 1]);
		const below = [
			{inode: 2, name: 'up', type: 2},
			{inode: 12, name: 'again', type: 2},
		];
		writeEntries(made.block(made.firstFreeBlock + 1), [...dots, ...below]);
		addFile(made, 13, 'text');
	});
	const {out, result} = extract(t, writeTiny(t, tiny));
	t.is(result.status, 1);
	t.regex(result.stderr, /: \/down\/up: .*\[EXT4_BAD_DIRECTORY\]/);
	t.is(fs.readFileSync(join(out, 'file'), 'utf8'), 'text');
	t.deepEqual(fs.readdirSync(join(out, 'down')), []);
});

test('a file of one link and many names is extracted once', t => {
	const entries = [1, 2, 3].map(index => ({inode: 12, name: `name${index}`}));
	const tiny = tinyImage(entries, made => addFile(made, 12, 'text'));
	const {out, result} = extract(t, writeTiny(t, tiny));
	t.is(result.status, 1);
	t.deepEqual(fs.readdirSync(out), ['name1']);
	t.is(result.stderr.match(/\[EXT4_BAD_INODE\]/g)?.length, 2);
});

test('files that share blocks can not fill the target with more than the image has', t => {
	const entries = Array.from({length: 20}, (_, index) => ({
		inode: 12 + index,
		name: `file${index}`,
	}));
	const tiny = tinyImage(entries, made => {
		for (const {inode} of entries) {
			made.setInode(inode, {i_mode: 0o100644, i_flags: inodeFlags.extents, i_size_lo: 40 * 4096});
			writeLeaf(made.blockField(inode), [{logical: 0, length: 40, physical: 20}]);
		}
	});
	const {out, result} = extract(t, writeTiny(t, tiny));
	t.is(result.status, 1);
	t.deepEqual(fs.readdirSync(out), ['file0']);
	t.regex(result.stderr, /more than the 64 blocks there are.*\[EXT4_BAD_EXTENT\]/);
});

test('a damaged file is told and left out, and the rest is extracted', t => {
	const entries = [
		{inode: 12, name: 'first'},
		{inode: 13, name: 'damaged'},
		{inode: 14, name: 'half'},
		{inode: 15, name: 'last'},
	];
	const tiny = tinyImage(entries, made => {
		for (const {inode, name} of entries) addFile(made, inode, name);
		made.blockField(13).fill(0);
		made.setInode(14, {i_mode: 0o100644, i_flags: inodeFlags.extents, i_size_lo: 5000});
		// Its second extent leads out of the file system.
		writeLeaf(made.blockField(14), [
			{logical: 0, length: 1, physical: 30},
			{logical: 1, length: 1, physical: 63_000},
		]);
	});
	const {out, result} = extract(t, writeTiny(t, tiny));
	t.is(result.status, 1);
	t.deepEqual(fs.readdirSync(out).sort(), ['first', 'last']);
	t.regex(result.stderr, /: \/damaged: .*\[EXT4_BAD_EXTENT_HEADER\]\n/);
	t.regex(result.stderr, /: \/half: .*\[EXT4_BAD_EXTENT\]\n/);
	t.regex(result.stderr, /2 problems: not all was extracted\n$/);
});

test('directories that their owner may not enter are filled before they are closed', t => {
	const entries = [{inode: 12, name: 'closed', type: 2}];
	const tiny = tinyImage(entries, made => {
		addDirectory(made, 12, [made.firstFreeBlock + 1]);
		made.setInode(12, {
			i_mode: 0o40000,
			i_links_count: 2,
			i_flags: inodeFlags.extents,
			i_size_lo: 4096,
			i_mtime: 1000,
		});
		addDirectory(made, 13, [made.firstFreeBlock + 5]);
		made.setInode(13, {
			i_mode: 0o40100,
			i_links_count: 2,
			i_flags: inodeFlags.extents,
			i_size_lo: 4096,
		});
		const below = [
			{inode: 13, name: 'inner', type: 2},
			{inode: 14, name: 'linked'},
		];
		writeEntries(made.block(made.firstFreeBlock + 1), [...dots, ...below]);
		const deeper = [{inode: 14, name: 'linked too'}];
		writeEntries(made.block(made.firstFreeBlock + 5), [...dots, ...deeper]);
		addFile(made, 14, 'text', {i_links_count: 2});
	});
	const {out, result} = extract(t, writeTiny(t, tiny));
	t.is(result.status, 0, result.stderr);
	const closed = fs.statSync(join(out, 'closed'));
	t.is(closed.mode & 0o7777, 0);
	t.is(closed.mtimeMs, 1_000_000);
	if (!isRoot) return;
	t.is(fs.statSync(join(out, 'closed/inner')).mode & 0o7777, 0o100);
	t.is(fs.statSync(join(out, 'closed/inner/linked too')).nlink, 2);
});

test('set-id bits are dropped, and counted', t => {
	const tiny = tinyImage([{inode: 12, name: 'su'}], made =>
		addFile(made, 12, 'x', {i_mode: 0o106755}),
	);
	const path = writeTiny(t, tiny);
	const {out, result} = extract(t, path);
	t.is(fs.statSync(join(out, 'su')).mode & 0o7777, 0o755);
	t.regex(result.stdout, /Left out: the set-id bits of 1 file/);
	if (!isRoot) return;
	const kept = join(temporary(t), 'kept');
	t.is(run(['extract', '--owners', path, '-o', kept]).status, 0);
	t.is(fs.statSync(join(kept, 'su')).mode & 0o7777, 0o6755);
});

/** Names enough for an extraction of a second or so, all of one file. */
function slowImage(): TinyImage {
	const tiny = new TinyImage({blockSize: 4096, blockCount: 600});
	const perBlock = 250;
	const blocks = Array.from({length: 200}, (_, index) => tiny.firstFreeBlock + 10 + index);
	addDirectory(tiny, 2, blocks);
	for (const [index, block] of blocks.entries()) {
		const entries = Array.from({length: perBlock}, (_, at) => ({
			inode: 12,
			name: String(100_000 + index * perBlock + at),
		}));
		writeEntries(tiny.block(block), index === 0 ? [...dots, ...entries] : entries);
	}
	addFile(tiny, 12, 'text', {i_links_count: 60_000});
	return tiny.seal();
}

test('an interrupted extraction says so, and what is there is whole', async t => {
	const path = writeTiny(t, slowImage());
	const out = join(temporary(t), 'out');
	const child = spawn(process.execPath, [program, 'extract', path, '-o', out]);
	let stderr = '';
	child.stderr.on('data', chunk => {
		stderr += chunk;
	});
	const deadline = Date.now() + 20_000;
	while (!fs.existsSync(join(out, '100000')) && Date.now() < deadline) await sleep(5);
	child.kill('SIGINT');
	const [status] = (await once(child, 'exit')) as [number | null];
	t.is(status, 130, stderr);
	t.regex(stderr, /^ext4box: interrupted: .*out is incomplete; what is in it is whole\n$/);
	const made = fs.readdirSync(out).length;
	t.true(made > 0 && made < 50_000, String(made));
	t.is(fs.readFileSync(join(out, '100000'), 'utf8'), 'text');
	t.is(fs.statSync(out).mode & 0o7777, 0o755);
});

test('names of one file may hold more than the image where the target takes no links', async t => {
	const entries = Array.from({length: 4}, (_, index) => ({inode: 12, name: `name${index}`}));
	const tiny = tinyImage(entries, made => {
		const fields = {i_mode: 0o100644, i_flags: inodeFlags.extents, i_size_lo: 40 * 4096};
		made.setInode(12, {...fields, i_links_count: entries.length});
		writeLeaf(made.blockField(12), [{logical: 0, length: 40, physical: 20}]);
	});
	using opened = openImage(writeTiny(t, tiny), {offsetBytes: undefined, partition: undefined});
	const volume = Volume.open(opened.device);
	const out = join(temporary(t), 'out');
	const {directory} = openTarget(Buffer.from(out), false, Buffer.from('/'));
	const problems: unknown[] = [];
	const tree = new Tree(volume, {
		isRoot: false,
		keepsOwners: false,
		force: false,
		report: (_path, error) => problems.push(error),
		// With the first name gone there is nothing to link to.
		breathe: () => {
			for (const name of fs.readdirSync(out)) fs.unlinkSync(join(out, name));
			return undefined;
		},
	});
	await tree.extractDirectory(volume.readInode(2), directory, false);
	directory.close();
	t.deepEqual(problems, []);
	t.is(tree.counts.files, entries.length);
	t.is(tree.leftOut.hardLinks, entries.length - 1);
});

test('the mode of a name that has become a link is not given to what the link leads to', t => {
	const folder = temporary(t);
	fs.writeFileSync(join(folder, 'secret'), '', {mode: 0o600});
	fs.symlinkSync('secret', join(folder, 'pipe'));
	fs.mkdirSync(join(folder, 'plain'));
	const descriptor = fs.openSync(folder, 'r');
	try {
		syscalls.changeModeAt(descriptor, Buffer.from('plain'), 0o500);
		// Some file systems give the link itself the mode, others refuse.
		t.notThrows(() => {
			try {
				syscalls.changeModeAt(descriptor, Buffer.from('pipe'), 0o666);
			} catch (error) {
				if (!(error instanceof syscalls.SystemError && error.code === 'ENOTSUP')) throw error;
			}
		});
	} finally {
		fs.closeSync(descriptor);
	}
	t.is(fs.statSync(join(folder, 'secret')).mode & 0o777, 0o600);
	t.is(fs.statSync(join(folder, 'plain')).mode & 0o777, 0o500);
});

for (const option of ['-o "$3"', '-o"$3"', '--output="$3"']) {
	test(`a target that is not UTF-8 is made under its own name: ${option}`, t => {
		const folder = temporary(t);
		const script = `"$0" "$1" extract "$2" /hello ${option.replace('$3', "$3/$(printf 'o\\377')")}`;
		const args = ['-c', script, process.execPath, program, image.path, folder];
		t.is(spawnSync('sh', args).status, 0);
		t.deepEqual(fs.readdirSync(folder, {encoding: 'buffer'}), [Buffer.from([0x6f, 0xff])]);
	});
}
