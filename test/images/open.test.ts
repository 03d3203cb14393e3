import {spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync, zstdCompressSync} from 'node:zlib';
import test, {type ExecutionContext} from 'ava';
import {ImageError} from '../../images/errors.ts';
import {identify} from '../../images/identify.ts';
import {type OpenOptions, openImage} from '../../images/open.ts';
import {shellName} from '../../images/shell-name.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {writeExtMark, writeGpt, writeMbr} from '../support/partition-tables.ts';
import {missing, testUnless} from '../support/skip.ts';

const mebibyte = 2 ** 20;

function imageFile(t: ExecutionContext, bytes: Uint8Array): string {
	const directory = fs.mkdtempSync(join(tmpdir(), 'ext4box-open-'));
	t.teardown(() => fs.rmSync(directory, {recursive: true}));
	const path = join(directory, 'image');
	fs.writeFileSync(path, bytes);
	return path;
}

function problemWith(t: ExecutionContext, bytes: Uint8Array, options?: OpenOptions): ImageError {
	const path = imageFile(t, bytes);
	const error = t.throws(() => openImage(path, options), {instanceOf: ImageError});
	t.notRegex(error.message, /[\n\r]/, 'one line');
	return error;
}

/** Partitions at 64 and 512 KiB, the second beyond reach of whoever takes the first. */
function twoPartitions(): Uint8Array {
	const disk = new Uint8Array(mebibyte);
	writeMbr(disk, [
		{start: 128, length: 256},
		{start: 1024, length: 512},
	]);
	return disk;
}

test('an ext superblock at byte 1024 makes the whole image the file system', t => {
	const disk = new Uint8Array(mebibyte);
	writeExtMark(disk, 0);
	using image = openImage(imageFile(t, disk));
	t.is(image.offsetBytes, 0);
	t.is(image.sizeBytes, mebibyte);
	t.is(image.device.sizeBytes, mebibyte);
	t.is(image.partition, undefined);
});

test('the only ext partition is found by itself', t => {
	const disk = twoPartitions();
	writeExtMark(disk, 1024 * 512);
	using image = openImage(imageFile(t, disk));
	t.is(image.offsetBytes, 1024 * 512);
	t.is(image.sizeBytes, 512 * 512);
	t.is(image.partition?.number, 2);
});

test('on a disk with sectors of 4096 bytes the only ext partition is found too', t => {
	const disk = new Uint8Array(mebibyte);
	writeMbr(disk, [{start: 32, length: 64}]);
	writeExtMark(disk, 32 * 4096);
	using image = openImage(imageFile(t, disk));
	t.is(image.offsetBytes, 32 * 4096);
	t.is(image.sizeBytes, 64 * 4096);
});

test('several ext partitions are listed, each as it can be told from the others', t => {
	const disk = twoPartitions();
	writeExtMark(disk, 128 * 512, 'root');
	writeExtMark(disk, 1024 * 512, 'a\x1b[2Jb\n');
	const {code, message} = problemWith(t, disk);
	t.is(code, 'IMAGE_SEVERAL_PARTITIONS');
	t.is(
		message,
		'2 partitions hold an ext file system, choose one with --partition N: 1 (offset 65536, 128.0 KiB, label root); 2 (offset 524288, 256.0 KiB, label a\\x1b[2Jb\\x0a)',
	);
});

test('of several ext partitions one can be named, or its offset', t => {
	const disk = twoPartitions();
	writeExtMark(disk, 128 * 512);
	writeExtMark(disk, 1024 * 512);
	const path = imageFile(t, disk);
	using byNumber = openImage(path, {partition: 2});
	t.is(byNumber.offsetBytes, 1024 * 512);
	using byOffset = openImage(path, {offsetBytes: 128 * 512});
	t.is(byOffset.offsetBytes, 128 * 512);
	t.is(byOffset.sizeBytes, mebibyte - 128 * 512);
});

test('a partition wins over a file system on the whole disk when it is named', t => {
	const disk = twoPartitions();
	writeExtMark(disk, 0);
	writeExtMark(disk, 128 * 512);
	using image = openImage(imageFile(t, disk), {partition: 1});
	t.is(image.offsetBytes, 128 * 512);
});

test('a partition that is not there is refused with a list of those that are', t => {
	const {code, message} = problemWith(t, twoPartitions(), {partition: 3});
	t.is(code, 'IMAGE_NO_SUCH_PARTITION');
	t.regex(message, /there is no partition 3; there is: 1 \(offset 65536/);
});

test('a partition of an image without a table is refused', t => {
	t.is(problemWith(t, new Uint8Array(5000), {partition: 1}).code, 'IMAGE_NO_PARTITION_TABLE');
});

test('a disk without an ext partition says what its partitions hold', t => {
	const disk = twoPartitions();
	disk.set(Buffer.from('XFSB'), 128 * 512);
	disk.set(Buffer.from('LUKS\xba\xbe', 'latin1'), 1024 * 512);
	const {code, message} = problemWith(t, disk);
	t.is(code, 'IMAGE_NO_EXT_PARTITION');
	t.regex(message, /1 \(.*an XFS file system\); 2 \(.*a LUKS encrypted volume\)/);
});

test('a named partition that is not ext says what it seems to be', t => {
	const disk = twoPartitions();
	disk.set(Buffer.from('XFSB'), 128 * 512);
	const {code, message} = problemWith(t, disk, {partition: 1});
	t.is(code, 'IMAGE_NOT_EXT');
	t.regex(message, /partition 1 is not an ext file system: it seems to be an XFS/);
});

test('a partition that starts beyond the end tells that the image is cut', t => {
	const disk = twoPartitions();
	writeExtMark(disk, 128 * 512);
	const path = imageFile(t, disk.subarray(0, 1024 * 512));
	t.throws(() => openImage(path, {partition: 2}), {code: 'IMAGE_TRUNCATED'});
	using first = openImage(path);
	t.is(first.partition?.number, 1);
});

test('an offset beyond the end is refused', t => {
	t.is(problemWith(t, new Uint8Array(5000), {offsetBytes: 5000}).code, 'IMAGE_BAD_OFFSET');
});

test('an offset where there is no superblock says what there is', t => {
	const bytes = new Uint8Array(mebibyte);
	bytes.set(Buffer.from('hsqs'), 4096);
	const {code, message} = problemWith(t, bytes, {offsetBytes: 4096});
	t.is(code, 'IMAGE_NOT_EXT');
	t.regex(message, /what follows byte 4096 .* SquashFS/);
});

test('a disk whose GPT is damaged in both places is not taken for something else', t => {
	const disk = new Uint8Array(mebibyte);
	writeGpt(disk, [{first: 100, last: 199}]);
	disk.fill(0, 512, 1024);
	disk.fill(0, mebibyte - 512);
	t.is(problemWith(t, disk).code, 'IMAGE_BAD_PARTITION_TABLE');
});

test('many ext partitions make a list that ends', t => {
	const disk = new Uint8Array(2 * mebibyte);
	writeGpt(
		disk,
		Array.from({length: 128}, (_, index) => ({first: 100 + index * 8, last: 107 + index * 8})),
	);
	for (let index = 0; index < 128; index++) writeExtMark(disk, (100 + index * 8) * 512);
	const {code, message} = problemWith(t, disk);
	t.is(code, 'IMAGE_SEVERAL_PARTITIONS');
	t.regex(message, /^128 partitions .*; and 112 more$/);
});

test('an image of no bytes is empty', t => {
	t.is(problemWith(t, new Uint8Array(0)).code, 'IMAGE_EMPTY');
});

test('bytes too few for a superblock are an image cut short', t => {
	const {code} = problemWith(
		t,
		Uint8Array.from({length: 2047}, (_, index) => index * 31),
	);
	t.is(code, 'IMAGE_TRUNCATED');
});

test('an overwritten superblock with a backup names the command that may help', t => {
	const disk = new Uint8Array(12 * mebibyte);
	writeExtMark(disk, 8193 * 1024 - 1024);
	const view = new DataView(disk.buffer, 8193 * 1024);
	view.setUint16(0x5a, 1, true);
	disk.fill(0x5a, 0, 4096);
	const {code, message} = problemWith(t, disk);
	t.is(code, 'IMAGE_NOT_EXT');
	t.regex(message, /e2fsck -b 8193 -B 1024 \S*\/\S+$/);
	t.notRegex(message, /IMAGE/);
});

test('the name of an image is a word of a command, whatever is in it', t => {
	t.is(shellName('/a/disk.img', 0), '/a/disk.img');
	t.is(shellName(Buffer.from('/a/disk.img'), 1_048_576), "'/a/disk.img?offset=1048576'");
	t.is(shellName("it's $HOME", 0), "'it'\\''s $HOME'");
	t.is(shellName('-rf', 0), './-rf');
	t.is(shellName('~root', 0), './~root');
	t.is(shellName('two\nlines', 0), 'IMAGE');
	t.is(shellName(Uint8Array.of(0xff), 0), 'IMAGE');
	t.is(shellName(undefined, 512), 'IMAGE?offset=512');
});

const made: readonly (readonly [string, Uint8Array, RegExp])[] = [
	['gzip', gzipSync('x'), /gzip.*gunzip/],
	['zstd', zstdCompressSync('x'), /zstd.*unzstd/],
	['text', Buffer.from('a line\nand another, größer\n'), /text/],
	['zeros', new Uint8Array(3 * mebibyte), /zeros, in its first MiB at least/],
	['few zeros', new Uint8Array(3000), /nothing but zeros/],
	['a program', fs.readFileSync(process.execPath).subarray(0, 70000), /ELF/],
	['qcow2', Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), new Uint8Array(9000)]), /qemu-img/],
];
for (const [name, bytes, expected] of made) {
	test(`an image that is ${name} is named as that, with what to do`, t => {
		const {code, message} = problemWith(t, bytes);
		t.is(code, 'IMAGE_NOT_EXT');
		t.regex(message, expected);
	});
}

test('random bytes are not taken for anything', t => {
	let state = 1;
	const bytes = Uint8Array.from({length: 100_000}, () => {
		state = (state * 1103515245 + 12345) % 2 ** 31;
		return state >>> 16;
	});
	t.is(identify(new MemoryDevice(bytes)), undefined);
});

const tools: readonly {command: string; make: readonly string[]; name: RegExp}[] = [
	{command: 'xz', make: ['-k', '-c'], name: /xz file/},
	{command: 'bzip2', make: ['-k', '-c'], name: /bzip2/},
	{command: 'tar', make: ['-cf', '-'], name: /tar/},
];
for (const {command, make, name} of tools) {
	testUnless(missing(command), `what ${command} makes is recognised`, t => {
		const path = imageFile(t, Buffer.from('contents'));
		const output = spawnSync(command, [...make, path]);
		t.regex(identify(new MemoryDevice(output.stdout))?.name ?? 'nothing', name);
	});
}

testUnless(missing('mkswap'), 'what mkswap makes is recognised', t => {
	const path = imageFile(t, new Uint8Array(mebibyte));
	spawnSync('mkswap', [path]);
	t.regex(problemWith(t, fs.readFileSync(path)).message, /swap space/);
});
