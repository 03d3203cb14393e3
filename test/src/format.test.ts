import test from 'ava';
import * as fc from 'fast-check';
import {parse, stringify, v4} from 'uuid';
import {uuidText} from '../../src/format.ts';

test('ids print as the uuid package prints those it knows', t => {
	fc.assert(
		fc.property(fc.uint8Array({minLength: 16, maxLength: 16}), random => {
			const id = parse(v4({random}));
			t.is(uuidText(id), stringify(id));
		}),
	);
});

test('ids of no known version print as well', t => {
	t.is(uuidText(new Uint8Array(16).fill(0x11)), '11111111-1111-1111-1111-111111111111');
});
