import test from 'ava';
import fc from 'fast-check';
import {foldName, foldsTo} from '../../../ext4/directory/casefold.ts';
import {hashName} from '../../../ext4/directory/hash.ts';
import {debugfs, hasDebugfs} from '../../support/e2fsprogs.ts';

/** More names than any test compares. */
const plenty = {foldsLeft: Number.MAX_SAFE_INTEGER};

function fold(name: string | Uint8Array): string | undefined {
	const folded = foldName(typeof name === 'string' ? Buffer.from(name) : name);
	return folded === undefined ? undefined : Buffer.from(folded).toString();
}

const equalNames = [
	['README.TXT', 'readme.txt', 'ASCII letters'],
	['Straße', 'STRASSE', 'one letter that folds to two'],
	['\u00e9t\u00e9', 'e\u0301te\u0301', 'composed and decomposed'],
	['\u212a', 'k', 'the Kelvin sign'],
	['\u1e9e', 'ss', 'a capital sharp s'],
	['\u0390', '\u1fd3', 'two forms of iota with dialytika and tonos'],
	['a\u0323\u0301', 'a\u0301\u0323', 'marks in either order'],
	['\uac01', '\u1100\u1161\u11a8', 'a Hangul syllable and its letters'],
	['soft\u00adhyphen', 'softhyphen', 'an ignorable character'],
	['\u{10400}', '\u{10428}', 'letters beyond the first plane'],
	['\u03a3', '\u03c2', 'a capital and a final sigma'],
] as const;

for (const [first, second, why] of equalNames) {
	test(`equal names: ${why}`, t => {
		t.is(fold(first), fold(second));
		const folded = foldName(Buffer.from(second)) ?? new Uint8Array(0);
		const bytes = Buffer.from(first);
		t.true(foldsTo(Buffer.concat([Buffer.from('xx'), bytes]), 2, bytes.length, folded, plenty));
	});
}

const differentNames = [
	['i', '\u0131', 'a dotless i'],
	['I', '\u0130', 'a capital I with a dot'],
	['ff', '\ufb01', 'another ligature'],
	['\ud7ff', '\ue000', 'neighbours of the surrogates'],
	// Letters that came with Unicode 13 and later stand for themselves.
	['\ua7c7', '\ua7c8', 'a pair of letters that Unicode 12.1 did not know'],
	['ab', 'abc', 'a beginning'],
	['abc', 'ab', 'a longer name'],
] as const;

for (const [first, second, why] of differentNames) {
	test(`different names: ${why}`, t => {
		t.not(fold(first), fold(second));
		const folded = foldName(Buffer.from(second)) ?? new Uint8Array(0);
		const bytes = Buffer.from(first);
		t.false(foldsTo(bytes, 0, bytes.length, folded, plenty));
	});
}

test('a character newer than 12.1 is not decomposed, and keeps marks apart', t => {
	t.is(fold('\u{11938}'), '\u{11938}');
	t.is(fold('a\u0301\u1ac0\u0323'), 'a\u0301\u1ac0\u0323');
});

test('an ignorable character keeps the marks on its two sides apart', t => {
	t.is(fold('a\u0301\u200d\u0323'), 'a\u0301\u0323');
});

test('a name of ignorable characters folds to nothing', t => {
	t.is(fold('\u00ad\u200b'), '');
});

const invalid = [
	['ff', 'a byte that is never used'],
	['80', 'a continuation at the start'],
	['c3', 'a character that ends early'],
	['41c3', 'a character that ends early, at the end'],
	['c080', 'an overlong NUL'],
	['e08080', 'another overlong NUL'],
	['c1bf', 'an overlong DEL'],
	['eda080', 'half of a surrogate pair'],
	['f4908080', 'a character beyond the last'],
	['e28041', 'a continuation that is none'],
] as const;

for (const [hex, why] of invalid) {
	test(`no UTF-8: ${why}`, t => {
		const name = Buffer.from(hex, 'hex');
		t.is(foldName(name), undefined);
		t.false(foldsTo(name, 0, name.length, name, plenty));
	});
}

test('folding what is folded changes nothing', t => {
	fc.assert(
		fc.property(fc.string({unit: 'binary', maxLength: 40}), name => {
			const once = foldName(Buffer.from(name));
			t.truthy(once);
			if (once !== undefined) t.deepEqual(foldName(once), once);
		}),
	);
	t.pass();
});

test('any bytes fold, or do not, without an error', t => {
	fc.assert(
		fc.property(fc.uint8Array({maxLength: 40}), bytes => {
			const folded = foldName(bytes);
			if (folded !== undefined) t.true(foldsTo(bytes, 0, bytes.length, folded, plenty));
		}),
	);
	t.pass();
});

/** Characters that a debugfs command line leaves alone: no spaces, quotes, control characters. */
function sampleNames(): string[] {
	const names: string[] = [];
	for (let codePoint = 0xa1; codePoint < 0x3_0000; codePoint++) {
		const isDense = codePoint < 0x3100 || (codePoint >= 0xa640 && codePoint < 0xac10);
		const isCased = codePoint >= 0x10400 && codePoint < 0x10500;
		const isMark = codePoint >= 0x1d15e && codePoint < 0x1d1f0;
		if (!isDense && !isCased && !isMark && codePoint % 211 !== 0) continue;
		if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
		const character = String.fromCodePoint(codePoint);
		names.push(`A${character}\u0301b`, `${character}\u0323\u0345`);
	}
	return names;
}

const oracle = hasDebugfs ? test : test.skip;
oracle('thousands of characters fold as e2fsprogs folds them (skipped without debugfs)', t => {
	const names = sampleNames().map(name => Buffer.from(name));
	const output = debugfs(
		names.map(name => Buffer.concat([Buffer.from('dx_hash -h half_md4 -c -e utf8 '), name])),
	);
	const found = [...output.matchAll(/ is 0x([0-9a-f]+) \(minor 0x([0-9a-f]+)\)/g)];
	t.is(found.length, names.length);
	const wrong = names.filter((name, index) => {
		const folded = foldName(name);
		const hash = folded && hashName(1, false, [0, 0, 0, 0], folded);
		const [, major = '', minor = ''] = found[index] ?? [];
		return hash?.major !== Number.parseInt(major, 16) || hash.minor !== Number.parseInt(minor, 16);
	});
	t.deepEqual(
		wrong.map(name => name.toString('hex')),
		[],
	);
});
