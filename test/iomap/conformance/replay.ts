/** Golden traces and cases without ava: what `npm run iomap:conformance` does first. */
import assert from 'node:assert/strict';
import {FakeKernel} from '../../support/fake-kernel.ts';
import {IomapKernel} from '../../support/iomap-kernel/kernel.ts';
import {mountIomap} from '../../support/iomap-kernel/mounted.ts';
import {ScriptedServer} from '../../support/iomap-kernel/scripted-server.ts';
import {deviceNumber, iomapTable} from '../../support/iomap-kernel/server.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {type Check, cases} from './cases.ts';
import {assertNoMore, assertSame, type Golden} from './golden.ts';
import type {Mounter} from './sequence.ts';

const scriptedDeviceBytes = 8 * 1024 * 1024;

/** Throws where the kernel in memory does not send what was seen. */
export function replayAsSeen(golden: Golden): void {
	const wire = new FakeKernel(iomapTable);
	const device = new MemoryDevice(new Uint8Array(scriptedDeviceBytes));
	const kernel = new IomapKernel({wire, device, deviceNumber});
	new ScriptedServer(wire, kernel.clock, golden.script);
	assertSame(kernel, golden);
}

/** Throws where the real server needs more than was seen. `image` has blocks of 4 KiB. */
export function replayOnServer(
	image: Uint8Array,
	golden: Golden,
	mounter: Mounter = mountIomap,
): void {
	using mount = mounter(image.slice());
	assertNoMore(mount.kernel, golden);
	assert.equal(mount.end(), undefined);
	assert.deepEqual(mount.problems, []);
}

const check: Check = {
	is(actual, expected, message = 'a value') {
		assert.ok(Object.is(actual, expected), `${message}: ${actual}, not ${expected}`);
	},
	deepEqual: (actual, expected) => assert.deepEqual(actual, expected),
	true: (actual, message = 'what should be true') => assert.equal(actual, true, message),
	false: (actual, message = 'what should be false') => assert.equal(actual, false, message),
	fail: message => assert.fail(message),
};

/** Runs all cases; returns what each that failed has thrown, by its name. */
export function runCases(): {readonly count: number; readonly failures: Map<string, unknown>} {
	const failures = new Map<string, unknown>();
	for (const {rule, title, run} of cases) {
		try {
			run(check);
		} catch (error) {
			failures.set(`${rule} ${title}`, error);
		}
	}
	return {count: cases.length, failures};
}
