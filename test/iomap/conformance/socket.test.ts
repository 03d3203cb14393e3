/**
 * The same over sockets, where the server is another process that waits, reads and answers by itself,
 * and is told of nothing but by messages.
 */
import {readdirSync} from 'node:fs';
import {SocketWire} from '../../support/iomap-kernel/socket.ts';
import {mountOverSocket} from '../../support/iomap-kernel/socket-mounted.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {goldenTraces} from './golden.ts';
import {imageKinds} from './kinds.ts';
import {replayOnServer} from './replay.ts';
import {runSequence} from './sequence.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const first = Number(process.env['EXT4BOX_SEED'] ?? 1);

const image = why === undefined ? mke2fs(['-t', 'ext4', '-b', '4096'], '12M') : new Uint8Array(0);

for (const golden of goldenTraces) {
	testUnless(why, `over sockets no more than was seen: ${golden.operation}`, t => {
		t.notThrows(() => replayOnServer(image, golden, mountOverSocket));
	});
}

for (const {name, options, size} of imageKinds) {
	testUnless(why, `random work over sockets on ${name}`, t => {
		runSequence(mke2fs(options, size), first, mountOverSocket);
		t.pass();
	});
}

testUnless(why, 'work that fails leaves no server and nothing open', async t => {
	const open = readdirSync('/proc/self/fd').length;
	const abandoned = () => {
		using mount = mountOverSocket(image.slice());
		mount.kernel.mount();
		mount.kernel.create(mount.kernel.root(), 'file');
		return mount.kernel.wire;
	};
	const wire = abandoned();
	if (!(wire instanceof SocketWire)) throw new TypeError('no sockets');
	await wire.gone;
	t.is(readdirSync('/proc/self/fd').length, open);
});
