import {Buffer} from 'node:buffer';
import test from 'ava';
import {isOutOfMemory} from '../../src/out-of-memory.ts';

/** More than any address space has, less than what a length may be. */
const impossible = 2 ** 52;

function thrownBy(action: () => unknown): unknown {
	try {
		action();
	} catch (error) {
		return error;
	}
	return undefined;
}

test('memory that this V8 does not get is recognized by what it throws', t => {
	t.true(isOutOfMemory(thrownBy(() => new ArrayBuffer(impossible))));
	t.true(isOutOfMemory(thrownBy(() => new Uint8Array(2 ** 40))));
	t.true(isOutOfMemory(thrownBy(() => Buffer.allocUnsafeSlow(2 ** 46))));
});

test('another mistake with a length is none', t => {
	t.false(isOutOfMemory(thrownBy(() => new Uint8Array(-1))));
	t.false(isOutOfMemory(thrownBy(() => Buffer.alloc(4).readUInt32LE(1))));
	t.false(isOutOfMemory(thrownBy(() => new DataView(new ArrayBuffer(4)).getUint32(2))));
	t.false(isOutOfMemory(undefined));
	t.false(isOutOfMemory('Array buffer allocation failed'));
});
