/** The rules of the protocol one by one: see `rules.ts` for what they say. */
import test from 'ava';
import {missing, testUnless} from '../../support/skip.ts';
import {cases} from './cases.ts';
import {rules} from './rules.ts';

const why = missing('mke2fs') ?? missing('e2fsck');

test('each rule has a case', t => {
	const named = new Set<string>(cases.map(({rule}) => rule));
	t.deepEqual(
		Object.keys(rules).filter(rule => !named.has(rule)),
		[],
	);
	t.true(cases.length >= 150, `${cases.length} cases`);
});

for (const {rule, title, run} of cases) testUnless(why, `${rule} ${title}`, run);
