import test from 'ava';
import * as fc from 'fast-check';
import {parse, stringify, v4} from 'uuid';
import {aclText, uuidText} from '../../src/format.ts';

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

test('an access control list as setfacl takes it', t => {
	t.is(
		aclText([
			{kind: 'owner', permissions: 6, id: undefined},
			{kind: 'user', permissions: 5, id: 0},
			{kind: 'group', permissions: 4, id: undefined},
			{kind: 'namedGroup', permissions: 7, id: 1000},
			{kind: 'mask', permissions: 1, id: undefined},
			{kind: 'other', permissions: 0, id: undefined},
		]),
		'user::rw-,user:0:r-x,group::r--,group:1000:rwx,mask::--x,other::---',
	);
});
