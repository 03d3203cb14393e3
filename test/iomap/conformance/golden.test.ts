/**
 * The traces of a running kernel. First the kernel in memory must send them, word for word, to a
 * server that answers as the one did with which they were taken: or it proves nothing. Then the real
 * server must not need more.
 */
import test from 'ava';
import {FakeKernel} from '../../support/fake-kernel.ts';
import {IomapKernel} from '../../support/iomap-kernel/kernel.ts';
import {mountIomap} from '../../support/iomap-kernel/mounted.ts';
import {ScriptedServer} from '../../support/iomap-kernel/scripted-server.ts';
import {deviceNumber, iomapTable} from '../../support/iomap-kernel/server.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {assertNoMore, assertSame, goldenTraces} from './golden.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const image = why === undefined ? mke2fs(['-t', 'ext4', '-b', '4096'], '12M') : new Uint8Array(0);

for (const golden of goldenTraces) {
	test(`as it was seen: ${golden.operation}`, t => {
		const wire = new FakeKernel(iomapTable);
		const device = new MemoryDevice(new Uint8Array(8 * 1024 * 1024));
		const kernel = new IomapKernel({wire, device, deviceNumber});
		new ScriptedServer(wire, kernel.clock, golden.script);
		t.notThrows(() => assertSame(kernel, golden));
	});

	testUnless(why, `no more than was seen: ${golden.operation}`, t => {
		const {kernel, problems} = mountIomap(image.slice());
		t.notThrows(() => assertNoMore(kernel, golden));
		t.deepEqual(problems, []);
	});
}
