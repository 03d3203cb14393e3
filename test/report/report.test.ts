/** `report`: the page as text, against what dumpe2fs and debugfs say. test/report/browser.test.ts opens it. */
import {spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {pageBytesMax} from '../../src/report/document.ts';
import {classOf} from '../../src/report/page/format.ts';
import {debugfs, e2fsprogs} from '../support/e2fsprogs.ts';
import {contents, makeImage} from '../support/made-image.ts';
import {writeMbr} from '../support/partition-tables.ts';
import {oneLine, run, temporary} from '../support/program.ts';
import {classesOf, readPage} from '../support/report-page.ts';

const image = makeImage(['-g', '1024', '-G', '2']);
test.after.always(() => image.remove());

function report(t: ExecutionContext, path: string, ...more: string[]): string {
	const {status, stdout, stderr} = run(['report', ...more, path, '-o', '-']);
	t.is(status, 0, stderr);
	return stdout;
}

/** As `t.regex`, without the page in the message. */
function has(t: ExecutionContext, page: string, pattern: RegExp): void {
	t.true(pattern.test(page), `the page has no ${pattern}`);
}

function hasNo(t: ExecutionContext, page: string, pattern: RegExp): void {
	t.is(pattern.exec(page)?.[0], undefined, `the page has ${pattern}`);
}

function copyOf(t: ExecutionContext): string {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	return path;
}

function overwrite(path: string, position: number, bytes: Uint8Array): void {
	const descriptor = fs.openSync(path, 'r+');
	fs.writeSync(descriptor, bytes, 0, bytes.length, position);
	fs.closeSync(descriptor);
}

/** Numbers and ranges behind `pattern`, wherever dumpe2fs prints it: `Inode table at 8-39`. */
function rangesOf(text: string, pattern: RegExp): [number, number][] {
	return [...text.matchAll(pattern)].map(match => {
		const from = Number(match[1]);
		return [from, Number(match[2] ?? from)];
	});
}

test('the map has the fixed metadata and the free blocks where dumpe2fs has them', async t => {
	const classes = classesOf(await readPage(report(t, image.path)));
	const dump = e2fsprogs('dumpe2fs', [image.path]);
	const places = [
		[/(?:Primary|Backup) superblock at (\d+)/g, classOf.superblock],
		[/Group descriptors at (\d+)-(\d+)/g, classOf.descriptors],
		[/Reserved GDT blocks at (\d+)-(\d+)/g, classOf.descriptors],
		[/Block bitmap at (\d+)/g, classOf.bitmaps],
		[/Inode bitmap at (\d+)/g, classOf.bitmaps],
		[/Inode table at (\d+)-(\d+)/g, classOf.inodes],
	] as const;
	for (const [pattern, kind] of places) {
		const ranges = rangesOf(dump, pattern);
		t.true(ranges.length > 0, String(pattern));
		for (const [from, to] of ranges) {
			for (let block = from; block <= to; block++)
				t.is(classes[block], kind, `${pattern} ${block}`);
		}
	}
	const free = new Set<number>();
	for (const line of dump.matchAll(/^ {2}Free blocks: (.*)$/gm)) {
		for (const [from, to] of rangesOf(line[1] ?? '', /(\d+)(?:-(\d+))?/g)) {
			for (let block = from; block <= to; block++) free.add(block);
		}
	}
	t.true(free.size > 0);
	for (const [block, kind] of classes.entries()) {
		t.is(kind === classOf.free, free.has(block), `block ${block}`);
	}
});

test('the map has the blocks of files and directories where debugfs has them', async t => {
	const page = await readPage(report(t, image.path));
	const classes = classesOf(page);
	for (const [path, kind] of [
		['/text', classOf.file],
		['/sparse', classOf.file],
		['/indexed', classOf.directory],
		['<8>', classOf.journal],
	] as const) {
		const listed = debugfs([Buffer.from(`blocks ${path}`)], image.path);
		const blocks = listed.split('\n').at(-2)?.trim().split(/\s+/).map(Number) ?? [];
		t.true(blocks.length > 0 && blocks.every(Number.isInteger), listed);
		const kinds = new Set(blocks.map(block => classes[block]));
		kinds.delete(classOf.map); // debugfs counts the nodes of the map in.
		t.deepEqual([...kinds], [kind], path);
	}
	const text = page.data.files.find(file => file.path === '/text');
	t.is(text?.sizeBytes, contents.text.length);
	t.deepEqual(
		page.data.files
			.find(file => file.path === '/folder/inner/deep')
			?.extents.map(each => each.length),
		[1],
	);
});

test('shares in the page add up to the whole, and the free ones are what the superblock counts', async t => {
	const {facts} = await readPage(report(t, image.path));
	t.is(
		facts.totals.reduce((sum, each) => sum + each, 0),
		facts.blockCount,
	);
	const counted = /^Free blocks: +(\d+)$/m.exec(e2fsprogs('dumpe2fs', ['-h', image.path]))?.[1];
	t.is(facts.totals[classOf.free], Number(counted));
});

test('the page asks for nothing and allows nothing but its own script and style', t => {
	const page = report(t, image.path);
	const found = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? '';
	const policy = found.replaceAll('&#39;', "'");
	t.regex(
		policy,
		/^default-src 'none'; script-src 'sha256-[^;]*'; style-src 'sha256-[^;]*'; base-uri 'none'/,
	);
	t.notRegex(policy, /unsafe|\*|https?:/);
	t.deepEqual(
		[...page.matchAll(/\s(?:src|href|action|data|srcset)="([^"]*)"/g)].map(each => each[1]),
		['#content'],
	);
	hasNo(t, page, /<(?:link|img|iframe|object|embed|base|form)\b|@import|url\(/);
	hasNo(t, page, /\sstyle="|\son[a-z]+="/);
});

test('nothing that an image says becomes markup', t => {
	const path = join(temporary(t), '"><img src=x onerror=alert(1)>.img');
	fs.copyFileSync(image.path, path);
	const name = '<script>alert(2)<\\script><img src=x onerror=alert(3)>';
	debugfs(
		[
			Buffer.from('cd /folder'),
			Buffer.from(`write ${join(import.meta.dirname, 'report.test.ts')} "${name}"`),
			Buffer.concat([
				Buffer.from('mkdir '),
				Buffer.of(0xff, 0x1b),
				Buffer.from('x</script>y'.replace('/', '\\')),
			]),
			Buffer.from('ssv volume_name </h1><img>'),
			Buffer.from('ssv last_mounted <b>here</b>'),
		],
		path,
	);
	const page = report(t, path);
	hasNo(t, page, /<img|<b>|alert\(\d\)<\/|<script>alert/);
	has(t, page, /<h1>&lt;\/h1&gt;&lt;img&gt;<\/h1>/);
	has(t, page, /&lt;b&gt;here&lt;\/b&gt;/);
	t.is([...page.matchAll(/<script\b/g)].length, 3, 'facts, data and the one script');
	hasNo(t, page, /[\u001b\u0000]/);
});

test('a file system without anything in it, revision 0, and large clusters', async t => {
	for (const options of [
		['-r', '0', '-t', 'ext2'],
		['-t', 'ext4', '-O', 'bigalloc', '-C', '16384'],
		['-t', 'ext4', '-b', '1024', '-O', 'meta_bg,^resize_inode'],
	]) {
		const path = join(temporary(t), 'image');
		e2fsprogs('mke2fs', ['-q', ...options, path, '16M']);
		const {facts} = await readPage(report(t, path));
		t.is(
			facts.totals.reduce((sum, each) => sum + each, 0),
			facts.blockCount,
			options.join(' '),
		);
		t.is(facts.totals[classOf.unreadable], 0);
	}
});

for (const {title, harm, told} of [
	{
		title: 'a superblock whose checksum is wrong',
		harm: (path: string) => overwrite(path, 1024 + 0x3fc, Buffer.alloc(4)),
		told: /EXT4_BAD_SUPERBLOCK_CHECKSUM|backup of the superblock/,
	},
	{
		title: 'a group descriptor whose checksum is wrong',
		harm: (path: string) => overwrite(path, 2048 + 64 + 0x1e, Buffer.of(1, 2)),
		told: /EXT4_BAD_GROUP_CHECKSUM/,
	},
	{
		title: 'an inode table of noise',
		harm: (path: string) => {
			const table = /Inode table at (\d+)/.exec(e2fsprogs('dumpe2fs', [path]))?.[1];
			overwrite(path, Number(table) * 1024 + 256 * 11, Buffer.alloc(4096, 0x5a));
		},
		told: /EXT4_BAD_INODE_CHECKSUM/,
	},
	{
		title: 'an image cut in half',
		harm: (path: string) => fs.truncateSync(path, 4 * 2 ** 20),
		told: /EXT4_TRUNCATED/,
	},
	{
		title: 'a journal of noise that must be replayed',
		harm: (path: string) => {
			debugfs([Buffer.from('feature needs_recovery')], path);
			const listed = debugfs([Buffer.from('blocks <8>')], path);
			const first = Number(listed.split('\n').at(-2)?.trim().split(/\s+/)[0]);
			overwrite(path, first * 1024, Buffer.alloc(1024, 0x77));
		},
		told: /EXT4_BAD_JOURNAL/,
	},
]) {
	test(`of ${title} the page shows what could be read`, t => {
		const path = copyOf(t);
		harm(path);
		const page = report(t, path);
		has(t, page, /What could not be read/);
		has(t, page, told);
		has(t, page, /id="map"/);
		has(t, page, /What the checker finds/);
	});
}

test('an image in which nothing can be opened still has a page', t => {
	const path = join(temporary(t), 'image');
	e2fsprogs('mke2fs', ['-q', '-O', 'journal_dev', path, '8M']);
	const page = report(t, path);
	has(t, page, /No file system in it could be opened/);
	hasNo(t, page, /id="map"/);
});

test('of an image in use the page says that it was, and tells no repair', t => {
	const path = copyOf(t);
	debugfs([Buffer.from('jo'), Buffer.from('jw -b 5000 /dev/zero'), Buffer.from('jc')], path);
	const live = report(t, path, '--live');
	has(t, live, /<h2 id="in-use-head">Read while it was in use<\/h2>/);
	has(t, live, /to be expected of an image in use/);
	hasNo(t, live, /e2fsck -p/);
	hasNo(t, report(t, path), /Read while it was in use/);
});

test('a partition is found by its number', t => {
	const path = join(temporary(t), 'disk');
	const bytes = Buffer.alloc(2 ** 20 + 8 * 2 ** 20);
	fs.readFileSync(image.path).copy(bytes, 2 ** 20);
	writeMbr(bytes, [{start: 2048, length: 8 * 2048}]);
	fs.writeFileSync(path, bytes);
	t.regex(report(t, path, '--partition', '1'), /made<\/h1>/);
});

test('an existing file is not replaced unless forced to', t => {
	const output = join(temporary(t), 'page.html');
	fs.writeFileSync(output, 'mine');
	t.regex(oneLine(t, run(['report', '--no-check', image.path, '-o', output])), /--force/);
	t.is(fs.readFileSync(output, 'utf8'), 'mine');
	t.is(run(['report', '--no-check', '-f', image.path, '-o', output]).status, 0);
	t.regex(fs.readFileSync(output, 'utf8'), /^<!doctype html>/);
	t.is(run(['report', image.path]).status, 2);
	t.is(
		oneLine(t, run(['report', '--no-check', image.path, '-o', '/nowhere/page.html'])),
		"ext4box: can't write /nowhere/page.html: no such file or directory",
	);
});

test('a page that can not be written whole is not left behind; a file that was there is', t => {
	const output = join(temporary(t), 'page.html');
	const cli = join(import.meta.dirname, '../../src/cli.ts');
	const limited = (...more: string[]) =>
		spawnSync(
			'sh',
			// Files of some KiB at most: Node ignores the signal that comes with the error.
			[
				'-c',
				'ulimit -f 8; exec "$@"',
				'sh',
				process.execPath,
				cli,
				'report',
				'--no-check',
				...more,
			],
			{encoding: 'utf8', env: {...process.env, NODE_COMPILE_CACHE: undefined}},
		);
	const failed = limited(image.path, '-o', output);
	t.is(failed.status, 1, failed.stderr);
	t.is(failed.stderr, `ext4box: can't write ${output}: file too large\n`);
	t.false(fs.existsSync(output));
	fs.writeFileSync(output, 'mine');
	t.is(limited('--force', image.path, '-o', output).status, 1);
	t.true(fs.existsSync(output));
});

test('on 1 TiB in many pieces the page stays under 3 MiB', async t => {
	const path = join(temporary(t), 'large');
	fs.closeSync(fs.openSync(path, 'w'));
	fs.truncateSync(path, 2 ** 40);
	e2fsprogs('mke2fs', ['-q', '-t', 'ext4', '-E', 'lazy_itable_init=1,lazy_journal_init=1', path]);
	const lines: string[] = [];
	for (let index = 0; index < 300; index++) {
		lines.push(
			`write /dev/null file${index}`,
			`fallocate file${index} 0 ${((index * 7919) % 900_000) + 99}`,
		);
	}
	debugfs(
		lines.map(line => Buffer.from(line)),
		path,
	);
	const page = report(t, path, '--no-check');
	t.true(page.length < pageBytesMax, `${page.length} bytes`);
	const {facts, data} = await readPage(page);
	t.is(facts.groupCount, 8192);
	t.is(data.groups.length, 8192);
	t.true(data.files.length > 300);
});
