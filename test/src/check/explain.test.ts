import * as fs from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {allCodes, explanationOf, wrap} from '../../../src/check/explain.ts';
import {run} from '../../support/program.ts';

const root = join(import.meta.dirname, '../../..');

test('every code is explained', t => {
	const codes = allCodes()
		.trimEnd()
		.split('\n')
		.map(line => line.split(' ')[0] ?? '');
	t.true(codes.length > 50);
	for (const code of codes) {
		t.regex(code, /^CHECK_[A-Z0-9_]+$/);
		t.true(explanationOf(code).startsWith(`${code} (`));
	}
	t.is(explanationOf('check_link_count'), explanationOf('LINK_COUNT'));
	t.true(run(['check', '--explain', 'CHECK_LINK_COUNT']).stdout.includes('e2fsck calls it PR_4_'));
	t.deepEqual(wrap('one two three', 7), 'one two\nthree');
});

test('a code that another command printed is told from a finding', t => {
	const {status, stderr} = run(['check', '--explain', 'EXT4_BAD_EXTENT_CHECKSUM']);
	t.is(status, 16);
	t.regex(stderr, /^ext4box: EXT4_BAD_EXTENT_CHECKSUM is no finding .*"ext4box check IMAGE".*\n$/);
	t.throws(() => explanationOf('EXT4_UNSUPPORTED_FEATURE'), {message: /uses what is not read/});
	t.throws(() => explanationOf('IMAGE_FORBIDDEN'), {message: /as a container/});
	t.throws(() => explanationOf('NONSENSE'), {message: /is no code of a finding/});
});

test('the docs name every code', t => {
	const docs = fs.readFileSync(join(root, 'docs/check.md'), 'utf8');
	const missing = allCodes()
		.trimEnd()
		.split('\n')
		.map(line => line.split(' ')[0] ?? '')
		.filter(code => !docs.includes(`\`${code}\``));
	t.deepEqual(missing, [], 'scripts/check-codes.ts writes the table anew');
});
