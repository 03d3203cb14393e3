/** Which way data takes, and that the reason given is the true one. */
import {execFileSync} from 'node:child_process';
import {closeSync, constants, openSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {AlignedDevice, RawDevice} from '../../images/index.ts';
import {v7} from '../../iomap/protocol/v7.ts';
import {type ImageFacts, ioctlsFor, planDataPath, sectorBytesOf} from '../../src/data-path.ts';
import {type Grant, parseGrant} from '../../src/grant.ts';
import type {ServerConfig} from '../../src/mount/server-config.ts';
import {makeDirect} from '../../src/syscalls.ts';
import {whyNoLoop} from '../support/loops.ts';
import {temporary} from '../support/program.ts';
import {defaultConfig} from '../support/server-config.ts';
import {serialTestUnless} from '../support/skip.ts';

const device: ImageFacts = {
	isBlockDevice: true,
	blockSize: 4096,
	sectorBytes: 4096,
	isReplayedInMemory: false,
};
const file: ImageFacts = {...device, isBlockDevice: false, sectorBytes: 0};
const grantOf = (iomap: string, loop = 'none\t') =>
	parseGrant(`iomap\t${iomap}\t\nloop\t${loop}\n`);
const granted = grantOf('granted');
const config: ServerConfig = {...defaultConfig, iomap: 'auto', readOnly: false};

const whole: readonly (readonly [string, Grant])[] = [
	[
		'iomap\tkernel\t\nloop\tattached\t/dev/loop3\tdirect\n',
		{
			iomap: {answer: 'kernel', detail: ''},
			loop: {kind: 'attached', device: '/dev/loop3', isDirect: true},
		},
	],
	[
		'iomap\tfailed\tOut of memory\nloop\tfailed\tno free loop device: No space left on device\n',
		{
			iomap: {answer: 'failed', detail: 'Out of memory'},
			loop: {kind: 'failed', reason: 'no free loop device: No space left on device'},
		},
	],
	[
		'iomap\tpolicy\t\nloop\tpolicy\t\n',
		{iomap: {answer: 'policy', detail: ''}, loop: {kind: 'policy'}},
	],
];

for (const [text, grant] of whole) {
	test(`parseGrant takes ${JSON.stringify(text)}`, t => t.deepEqual(parseGrant(text), grant));
}

for (const text of [
	undefined,
	'',
	'iomap\tgranted\t\n',
	'loop\tnone\t\n',
	'iomap\tperhaps\t\nloop\tnone\t\n',
	'iomap\tgranted\t\nloop\tattached\t/dev/loop3\n',
	'iomap\tgranted\t\nloop\tattached\t/dev/loop3\tsomehow\n',
]) {
	test(`parseGrant refuses ${JSON.stringify(text)}`, t => {
		t.throws(() => parseGrant(text), {instanceOf: TypeError, message: /EXT4BOX_GRANT/});
	});
}

test('granted, on a device: the kernel is asked', t => {
	t.deepEqual(planDataPath(config, granted, device, 4096), {dialect: v7});
	t.deepEqual(ioctlsFor(config, granted, true), Object.values(v7.ioctls));
});

test('blocks as large as the kernel’s page', t => {
	const image = {...device, blockSize: 16_384};
	t.deepEqual(planDataPath(config, granted, image, 16_384), {dialect: v7});
	t.deepEqual(planDataPath(config, granted, image, 4096), {
		reason: 'blocks of 16384 bytes are larger than a page',
	});
});

const refused: [string, Partial<ServerConfig>, Grant, ImageFacts, RegExp][] = [
	['iomap=off', {iomap: 'off'}, granted, device, /switched off \(iomap=off\)/],
	['direct', {direct: true}, granted, device, /page cache is to be bypassed/],
	['static, and writable', {iomap: 'static'}, granted, device, /files may change/],
	['a stock kernel', {}, grantOf('kernel'), file, /^this kernel has no FUSE iomap$/],
	['its switch', {}, grantOf('switch'), device, /off in this kernel.*enable_iomap/],
	['the policy', {}, grantOf('policy'), device, /ext4box.conf forbids FUSE iomap/],
	['no right to it', {}, grantOf('permission'), device, /who mounted had no right to FUSE iomap/],
	['an error', {}, parseGrant('iomap\tfailed\tbad\nloop\tnone\t\n'), device, /not grant.*: bad$/],
	[
		'a file, no loop permitted',
		{},
		grantOf('withheld', 'policy\t'),
		file,
		/permits no loop device/,
	],
	['a file, no loop had', {}, grantOf('granted', 'failed\twhy'), file, /could be had: why$/],
	['a file, no right', {}, grantOf('granted', 'permission\t'), file, /no right to a loop device/],
	['large blocks', {}, granted, {...device, blockSize: 8192}, /larger than a page/],
	['large sectors', {}, granted, {...device, blockSize: 1024}, /of 4096 bytes are larger/],
	['a replay', {}, granted, {...device, isReplayedInMemory: true}, /replayed in memory/],
];

for (const [what, changes, grant, image, reason] of refused) {
	test(`through the server: ${what}`, t => {
		const plan = planDataPath({...config, ...changes}, grant, image, 4096);
		t.regex('reason' in plan ? plan.reason : 'iomap', reason);
	});
}

test('no ioctl is left open where the kernel will not be asked', t => {
	t.deepEqual(ioctlsFor(config, granted, false), []);
	t.deepEqual(ioctlsFor({...config, iomap: 'off'}, granted, true), []);
	for (const answer of ['kernel', 'switch', 'policy', 'permission', 'failed', 'unasked']) {
		t.deepEqual(ioctlsFor(config, grantOf(answer), true), [], answer);
	}
});

for (const sectorBytes of [512, 4096]) {
	serialTestUnless(
		whyNoLoop(),
		`past the page cache of a disk with sectors of ${sectorBytes} bytes, 1 KiB can be had`,
		t => {
			const image = join(temporary(t), 'disk.img');
			writeFileSync(image, '');
			truncateSync(image, 1 << 20);
			const attach = ['-f', '--show', '--sector-size', String(sectorBytes), image];
			const loop = execFileSync('losetup', attach, {encoding: 'utf8'}).trim();
			const descriptor = openSync(loop, constants.O_RDWR);
			try {
				t.is(sectorBytesOf(descriptor), sectorBytes);
				const raw = new RawDevice(descriptor, {isWritable: true});
				const device = new AlignedDevice(raw);
				device.align(sectorBytesOf(descriptor));
				makeDirect(descriptor);
				const bytes = new Uint8Array(1024).fill(7);
				// As the journal's superblock is written.
				device.write(9 * 1024, bytes);
				const found = new Uint8Array(1024);
				device.read(9 * 1024, found);
				t.deepEqual(found, bytes);
				if (sectorBytes > 1024) t.throws(() => raw.read(1024, found), {message: /EINVAL/});
			} finally {
				closeSync(descriptor);
				execFileSync('losetup', ['-d', loop]);
			}
		},
	);
}
