/** The server under a real kernel, mounted by root without the helper. Oracle: the kernel's VFS. */
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import * as fs from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {Volume} from '../../ext4/index.ts';
import {openImage} from '../../images/index.ts';
import {run as runStatus} from '../../src/commands/status.ts';
import {askStatus} from '../../src/mount/ask-status.ts';
import {contents, indexedNames, makeImage, sparse} from '../support/made-image.ts';
import {RootMount, whyNotMountable} from '../support/root-mount.ts';

const reason = whyNotMountable();
const mounted = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) process.stderr.write(`server.test.ts skipped: ${reason}\n`);

let image: ReturnType<typeof makeImage>;
let mount: RootMount;

test.before(async () => {
	if (reason !== undefined) return;
	image = makeImage();
	mount = await RootMount.open(image.path);
});

test.after.always(async () => {
	if (reason !== undefined) return;
	await mount[Symbol.asyncDispose]();
	image.remove();
});

const at = (...names: string[]) => path.join(mount.directory, ...names);

function codeOf(action: () => unknown): string {
	try {
		action();
		return 'no error';
	} catch (error) {
		return String((error as NodeJS.ErrnoException).code);
	}
}

async function requests(): Promise<{readonly [operation: string]: number}> {
	const answer = await askStatus(mount.directory);
	if (answer.kind !== 'answered') throw new Error(answer.kind);
	return answer.status.requests;
}

/** How many of each kind an action costs; the asking itself is left out. */
async function costOf(action: () => void): Promise<{[operation: string]: number}> {
	const before = await requests();
	action();
	const after = await requests();
	const cost: {[operation: string]: number} = {};
	for (const [name, count] of Object.entries(after)) {
		const difference = count - (before[name] ?? 0);
		if (difference > 0 && name !== 'IOCTL' && !name.endsWith('FORGET')) cost[name] = difference;
	}
	return cost;
}

function walk(directory: string): string[] {
	return fs.readdirSync(directory, {withFileTypes: true}).flatMap(entry => {
		const whole = path.join(directory, entry.name);
		return entry.isDirectory() ? [whole, ...walk(whole)] : [whole];
	});
}

mounted('names, contents and links come through the kernel', t => {
	t.deepEqual(fs.readdirSync(at('indexed')).sort(), [...indexedNames].sort());
	t.is(fs.readFileSync(at('hello'), 'utf8'), contents.hello);
	t.is(fs.readFileSync(at('text'), 'utf8'), contents.text);
	t.is(fs.readlinkSync(at('link')), 'hello');
	t.is(fs.readFileSync(at('link'), 'utf8'), contents.hello);
	t.is(fs.readFileSync(at('folder', 'inner', 'deep'), 'utf8'), 'deep');
	t.is(
		codeOf(() => fs.statSync(at('missing'))),
		'ENOENT',
	);
});

mounted('attributes come through, to the nanosecond and beyond 2038', t => {
	const found = fs.statSync(at('hello'), {bigint: true});
	t.is(found.uid, 1000n);
	t.is(found.gid, 100_000n);
	t.is(found.nlink, 2n);
	t.is(found.mtimeNs, 5_368_709_120_123_456_789n);
	t.is(found.ino, fs.statSync(at('hello again'), {bigint: true}).ino);
	t.true(Math.abs(Number(found.birthtimeMs) - Date.now()) < 600_000);
	const device = fs.statSync(at('character'));
	t.true(device.isCharacterDevice());
	t.is(device.rdev, (1 << 8) | 3);
	t.true(fs.statSync(at('pipe')).isFIFO());
	t.is(fs.statSync(mount.directory).ino, 2);
});

mounted('a file with holes reads as zeros there, and SEEK_DATA finds its data', t => {
	const {blockSize, dataBlocks, sizeBytes} = sparse;
	const expected = Buffer.alloc(sizeBytes);
	for (const block of dataBlocks) {
		expected.fill(0x61 + block, block * blockSize, (block + 1) * blockSize);
	}
	t.true(fs.readFileSync(at('sparse')).equals(expected));
	const script = [
		'import os, sys',
		'f = os.open(sys.argv[1], os.O_RDONLY)',
		'print(os.lseek(f, 1, os.SEEK_HOLE), os.lseek(f, 1024, os.SEEK_DATA))',
	].join('\n');
	t.is(
		execFileSync('python3', ['-c', script, at('sparse')], {encoding: 'utf8'}).trim(),
		'1024 3072',
	);
});

mounted('O_DIRECT and any offset read the same bytes', t => {
	const descriptor = fs.openSync(at('text'), fs.constants.O_RDONLY | fs.constants.O_DIRECT);
	const memory = new ArrayBuffer(16_384, {maxByteLength: 16_384});
	const count = fs.readSync(descriptor, new Uint8Array(memory), 0, 16_384, 0);
	fs.closeSync(descriptor);
	t.is(Buffer.from(memory, 0, count).toString(), contents.text);
	const buffered = fs.openSync(at('text'), 'r');
	const part = Buffer.alloc(100);
	t.is(fs.readSync(buffered, part, 0, 100, contents.text.length - 50), 50);
	fs.closeSync(buffered);
	t.is(part.toString('utf8', 0, 50), contents.text.slice(-50));
});

mounted('attributes of a file, its flags and its generation come through', t => {
	const run = (...command: [string, ...string[]]) =>
		execFileSync(command[0], command.slice(1), {encoding: 'utf8'});
	t.regex(
		run('getfattr', '-d', '-m', '-', '--absolute-names', at('hello')),
		/user\.comment="greeting"/,
	);
	t.regex(run('lsattr', at('text')), /i.*d.*e/);
	t.regex(run('lsattr', '-v', at('hello')), /^77 /);
	t.regex(run('df', '-i', mount.directory), /2048/);
});

mounted('nothing can be written', t => {
	t.is(
		codeOf(() => fs.writeFileSync(at('new'), '')),
		'EROFS',
	);
	t.is(
		codeOf(() => fs.unlinkSync(at('hello'))),
		'EROFS',
	);
	t.is(
		codeOf(() => fs.chmodSync(at('hello'), 0o777)),
		'EROFS',
	);
	t.is(
		codeOf(() => fs.openSync(at('hello'), 'r+')),
		'EROFS',
	);
});

mounted('what was seen once is never asked again', async t => {
	const look = () => {
		for (const file of walk(mount.directory)) {
			const found = fs.lstatSync(file);
			if (found.isSymbolicLink()) fs.readlinkSync(file);
			if (found.isFile()) fs.readFileSync(file);
			codeOf(() => fs.statSync(`${file} is missing`));
			fs.accessSync(mount.directory);
		}
	};
	let cost = await costOf(look);
	// Whoever empties the kernel's caches meanwhile, as other tests do, spoils an attempt.
	for (let attempt = 0; attempt < 5 && Object.keys(cost).length > 0; attempt++) {
		cost = await costOf(look);
	}
	t.deepEqual(cost, {});
});

mounted('files are opened and closed without a request', async t => {
	t.is((await requests())['OPEN'], 1);
	t.is((await requests())['RELEASE'], undefined);
	t.is((await requests())['OPENDIR'], 1);
	t.is((await requests())['RELEASEDIR'], undefined);
});

mounted('status tells what is served, and how', async t => {
	const answer = await askStatus(mount.directory);
	if (answer.kind !== 'answered') return t.fail(answer.kind);
	const {status} = answer;
	t.is(status.volume.label, 'made');
	t.is(status.faultCount, 0);
	t.true(status.protocol.minor >= 31);
	t.true(status.memoryBytes.residentPeak < 150 * 2 ** 20, `${status.memoryBytes.residentPeak}`);
	t.true(status.cpuSeconds.user > 0);
	t.is(await runStatus([mount.directory, '--json']), 0);
});

mounted('status is refused to others than the mounter', t => {
	const probe = path.join(import.meta.dirname, '../../src/status-probe.ts');
	fs.chmodSync(path.dirname(image.path), 0o755);
	const child = () =>
		execFileSync(process.execPath, [probe, mount.directory], {
			uid: 65534,
			gid: 65534,
			stdio: 'pipe',
		});
	const error = t.throws(child, {any: true}) as {stderr?: Buffer} | undefined;
	t.is(String(error?.stderr), 'EPERM');
});

mounted('four readers at once see the same bytes', async t => {
	const expected = createHash('sha256').update(contents.text).digest('hex');
	fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
	const results = await Promise.all(
		Array.from({length: 4}, () => fs.promises.readFile(at('text'))),
	);
	for (const result of results) {
		t.is(createHash('sha256').update(result).digest('hex'), expected);
	}
});

mounted('a file handle opens its file again after the kernel has forgotten it', t => {
	const script = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
handle = (ctypes.c_ubyte * 136)()
ctypes.memmove(handle, (128).to_bytes(4, 'little'), 4)
mount_id = ctypes.c_int()
path = sys.argv[1].encode()
if libc.name_to_handle_at(-100, path, handle, ctypes.byref(mount_id), 0) != 0: sys.exit(str(ctypes.get_errno()))
root = os.open(sys.argv[2], os.O_RDONLY)
open('/proc/sys/vm/drop_caches', 'w').write('3')
f = libc.open_by_handle_at(root, handle, os.O_RDONLY)
if f < 0: sys.exit('open ' + str(ctypes.get_errno()))
print(os.read(f, 100).decode())
`;
	const args = ['-c', script, at('folder', 'inner', 'deep'), mount.directory];
	t.is(execFileSync('python3', args, {encoding: 'utf8'}).trim(), 'deep');
});

mounted('one broken inode is EUCLEAN, and nothing else is disturbed', async t => {
	const broken = makeImage();
	const volume = Volume.open(openImage(broken.path).device);
	const number = fs.statSync(at('text')).ino; // The two images are made alike.
	const {block, at: inside} = volume.locateInode(number);
	const descriptor = fs.openSync(broken.path, 'r+');
	fs.writeSync(descriptor, Buffer.from([0xff]), 0, 1, block.number * 1024 + inside + 4);
	fs.closeSync(descriptor);
	await using other = await RootMount.open(broken.path, {mounterUid: 0});
	const file = path.join(other.directory, 'text');
	const error = t.throws(() => fs.statSync(file)) as NodeJS.ErrnoException;
	t.is(error.errno, -117);
	t.is(fs.readFileSync(path.join(other.directory, 'hello'), 'utf8'), contents.hello);
	t.true(fs.readdirSync(other.directory).includes('text'));
	const answer = await askStatus(other.directory);
	t.is(answer.kind === 'answered' && answer.status.lastFaults[0]?.code, 'EXT4_BAD_INODE_CHECKSUM');
	t.regex(other.stderr, /EXT4_BAD_INODE_CHECKSUM/);
	broken.remove();
});

mounted('an image that can not be opened is one line and status 1', async t => {
	const folder = path.dirname(image.path);
	const empty = path.join(folder, 'empty');
	fs.writeFileSync(empty, Buffer.alloc(100_000));
	const error = await t.throwsAsync(RootMount.open(empty));
	t.regex(error?.message ?? '', /the server said 1: .*IMAGE_NOT_EXT\]\n$/);
});

mounted('a server that hangs is told, and the question ends', async t => {
	await using other = await RootMount.open(image.path);
	other.signal('SIGSTOP');
	t.is((await askStatus(other.directory, 500)).kind, 'silent');
	other.signal('SIGCONT');
});

mounted('a dead server is told', async t => {
	await using other = await RootMount.open(image.path);
	other.signal('SIGKILL');
	await other.ended;
	t.is((await askStatus(other.directory)).kind, 'dead');
});

mounted(
	'unmounting ends the server with status 0, and no byte of the image has changed',
	async t => {
		const before = fs.readFileSync(image.path);
		const other = await RootMount.open(image.path);
		t.true(walk(other.directory).length > 300);
		t.is(await other.close(), 0);
		t.is(other.stderr, '');
		t.true(before.equals(fs.readFileSync(image.path)));
	},
);
