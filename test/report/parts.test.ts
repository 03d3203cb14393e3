/** The parts of a report: bounds, packing, escaping. */
import test from 'ava';
import fc from 'fast-check';
import {CorruptError, type Inode} from '../../ext4/index.ts';
import {
	compatFeatures,
	Features,
	incompatFeatures,
	roCompatFeatures,
} from '../../ext4/layout/features.ts';
import {DiskMap} from '../../src/report/disk-map.ts';
import {explainFeatures} from '../../src/report/features.ts';
import {WalkBudget} from '../../src/report/file-blocks.ts';
import {FreeRuns} from '../../src/report/groups.ts';
import {html, jsonForScript} from '../../src/report/html.ts';
import {ByteWriter} from '../../src/report/packing.ts';
import {findFiles} from '../../src/report/page/find-files.ts';
import {classOf} from '../../src/report/page/format.ts';
import {ByteReader, type ListedFile} from '../../src/report/page/unpacking.ts';
import {pageScript} from '../../src/report/page-script.ts';
import {shownName} from '../../src/report/tree.ts';

test('numbers and text come out as they went in', t => {
	fc.assert(
		fc.property(
			fc.array(fc.maxSafeNat()),
			fc.array(fc.integer({min: -(2 ** 51), max: 2 ** 51})),
			fc.string({unit: 'grapheme'}),
			(numbers, signed, text) => {
				const writer = new ByteWriter();
				for (const value of numbers) writer.number(value);
				for (const value of signed) writer.signed(value);
				writer.text(text);
				const reader = new ByteReader(writer.bytes());
				return (
					numbers.every(value => reader.number() === value) &&
					signed.every(value => reader.signed() === value) &&
					reader.text() === text
				);
			},
		),
	);
	t.pass();
});

test('a map shows the more important of two claims, and cuts what lies outside', t => {
	const map = new DiskMap(100);
	map.paint(10, 20, classOf.file);
	map.paint(15, 1, classOf.superblock);
	map.paint(12, 8, classOf.unknown);
	map.paint(-5, 7, classOf.journal);
	map.paint(98, 1e12, classOf.inodes);
	map.settle(0);
	t.is(map.totals[classOf.file], 19);
	t.is(map.totals[classOf.superblock], 1);
	t.is(map.totals[classOf.unknown], 0);
	t.is(map.totals[classOf.journal], 2);
	t.is(map.totals[classOf.inodes], 2);
	t.is(
		map.totals.reduce((sum, each) => sum + each, 0),
		100,
	);
});

test('a map of any size and any pattern is packed into as many spans as allowed', t => {
	for (const blockCount of [1, 5000, 2 ** 25]) {
		const map = new DiskMap(blockCount);
		for (let at = 0; at < Math.min(blockCount, 40_000); at += 2) map.paint(at, 1, classOf.file);
		const {bytes, unitBlocks} = map.pack(100);
		let spans = 0;
		for (const byte of bytes) if (byte < 0x80) spans++;
		t.true(spans <= 100, `${spans}`);
		t.true(unitBlocks >= map.unitBlocks);
	}
	t.is(new DiskMap(2 ** 28).unitBlocks, 16);
});

test('a superblock stays on the map however coarse it gets', t => {
	const map = new DiskMap(1 << 16);
	for (let at = 0; at < 1 << 16; at += 2) map.paint(at, 1, classOf.file);
	map.paint(777, 1, classOf.superblock);
	const {bytes} = map.pack(10);
	const reader = new ByteReader(bytes);
	let isThere = false;
	let ends = 0;
	for (const byte of bytes) if (byte < 0x80) ends++;
	for (; ends > 0; ends--) isThere ||= reader.number() % 16 === classOf.superblock;
	t.true(isThere);
});

test('files with more pieces or more blocks than the disk are given up', t => {
	const inode = {number: 12} as Inode;
	const pieces = new WalkBudget(10);
	t.throws(
		() => {
			for (let index = 0; index < 2000; index++) pieces.take(inode, 0);
		},
		{instanceOf: CorruptError},
	);
	const blocks = new WalkBudget(1_000_000);
	t.throws(
		() => {
			for (let index = 0; index < 200; index++) blocks.take(inode, 32_768);
		},
		{instanceOf: CorruptError},
	);
});

test('runs of free blocks are one where they meet', t => {
	const runs = new FreeRuns();
	runs.add(10, 5);
	runs.add(15, 5);
	runs.add(30, 1);
	runs.finish();
	t.deepEqual([runs.count, runs.blocks, runs.longest], [2, 11, 10]);
	t.is(runs.runsBySize[3], 1);
	t.is(runs.runsBySize[0], 1);
});

test('markup comes only from templates', t => {
	const name = `</td><script>"'&`;
	t.is(
		html`<td title="${name}">${name}</td>`.text,
		'<td title="&lt;/td&gt;&lt;script&gt;&quot;&#39;&amp;">&lt;/td&gt;&lt;script&gt;&quot;&#39;&amp;</td>',
	);
	t.is(html`<p>${[html`<b>${'<'}</b>`, html`${1}`]}${undefined}</p>`.text, '<p><b>&lt;</b>1</p>');
	t.notRegex(jsonForScript({name: '</script><!--'}).text, /</);
	t.deepEqual(JSON.parse(jsonForScript({name: '</script>'}).text), {name: '</script>'});
});

test('names are shown as they are where that is safe, and by their bytes where not', t => {
	t.is(shownName(Buffer.from('Grüße <&> 🙂')), 'Grüße <&> 🙂');
	t.is(shownName(Buffer.from([0x61, 0xff])), 'a\\xff');
	t.is(shownName(Buffer.from('a\u202eb')), 'a\\xe2\\x80\\xaeb');
	t.is(shownName(Buffer.from('\u001b[31m')), '\\x1b[31m');
});

test('every feature is explained in a sentence', t => {
	const all = [compatFeatures, incompatFeatures, roCompatFeatures].map(table =>
		Object.values(table).reduce((bits: number, bit) => bits + bit, 0),
	);
	const rows = explainFeatures(new Features(all[0] ?? 0, all[1] ?? 0, all[2] ?? 0));
	t.is(
		rows.length,
		[compatFeatures, incompatFeatures, roCompatFeatures].flatMap(table => Object.keys(table))
			.length,
	);
	for (const {sentence} of rows) t.regex(sentence, /^[A-Z0-9].*\.$/);
	t.regex(explainFeatures(new Features(0, 0x8000_0000, 0))[0]?.sentence ?? '', /Not known/);
});

test('a search ranks names before folders, and takes words in any order', t => {
	const files = ['/var/log/sys', '/log', '/home/catalog/x', '/etc/passwd'].map(
		path => ({path}) as ListedFile,
	);
	t.deepEqual(
		findFiles(files, 'LOG').map(each => each.path),
		['/log', '/var/log/sys', '/home/catalog/x'],
	);
	t.deepEqual(
		findFiles(files, 'sys var').map(each => each.path),
		['/var/log/sys'],
	);
	t.deepEqual(findFiles(files, '  '), []);
});

test('the script is one piece that parses, and imports nothing', t => {
	const script = pageScript();
	t.notRegex(script, /^\s*(?:import|export)\s/m);
	t.notThrows(() => new Function(script));
	t.notRegex(script, /<\/script|innerHTML|insertAdjacentHTML|document\.write|eval\(/);
});
