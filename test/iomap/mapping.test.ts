import test from 'ava';
import {AssertionError} from '../../ext4/errors.ts';
import {assertMapping, type Mapping} from '../../iomap/mapping.ts';

const blockSize = 4096;

const wellMade: readonly (readonly [string, Mapping, number])[] = [
	['a hole', {kind: 'hole', offset: 0, length: 4096}, 0],
	['a hole asked for at its last byte', {kind: 'hole', offset: 4096, length: 8192}, 12_287],
	['a mapping', {kind: 'mapped', offset: 4096, length: 4096, address: 8192}, 5000],
	['an unwritten mapping', {kind: 'unwritten', offset: 0, length: 2 ** 44, address: 4096}, 2 ** 43],
	['inline data of an odd length', {kind: 'inline', offset: 0, length: 61}, 60],
];

for (const [what, mapping, position] of wellMade) {
	test(`${what} keeps the rules`, t => {
		t.notThrows(() => assertMapping(mapping, position, blockSize));
	});
}

const badlyMade: readonly (readonly [string, Mapping, number])[] = [
	['a mapping of no bytes', {kind: 'hole', offset: 0, length: 0}, 0],
	['a mapping of less than no bytes', {kind: 'hole', offset: 0, length: -4096}, 0],
	['a mapping behind the position', {kind: 'hole', offset: 4096, length: 4096}, 4095],
	['a mapping that ends at the position', {kind: 'hole', offset: 0, length: 4096}, 4096],
	['a mapping that starts inside a block', {kind: 'hole', offset: 512, length: 4096}, 600],
	['a mapping that ends inside a block', {kind: 'hole', offset: 0, length: 5000}, 0],
	['an address inside a block', {kind: 'mapped', offset: 0, length: 4096, address: 100}, 0],
	['inline data that does not start the file', {kind: 'inline', offset: 60, length: 60}, 60],
];

for (const [what, mapping, position] of badlyMade) {
	test(`${what} is a fault of this program`, t => {
		t.throws(() => assertMapping(mapping, position, blockSize), {instanceOf: AssertionError});
	});
}
