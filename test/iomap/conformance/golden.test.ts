/**
 * The traces of a running kernel. First the kernel in memory must send them, word for word, to a
 * server that answers as the one did with which they were taken: or it proves nothing. Then the real
 * server must not need more.
 */
import test from 'ava';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {goldenTraces} from './golden.ts';
import {replayAsSeen, replayOnServer} from './replay.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const image = why === undefined ? mke2fs(['-t', 'ext4', '-b', '4096'], '12M') : new Uint8Array(0);

for (const golden of goldenTraces) {
	test(`as it was seen: ${golden.operation}`, t => {
		t.notThrows(() => replayAsSeen(golden));
	});

	testUnless(why, `no more than was seen: ${golden.operation}`, t => {
		t.notThrows(() => replayOnServer(image, golden));
	});
}
