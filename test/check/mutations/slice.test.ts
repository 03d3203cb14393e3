/** A slice of `npm run check-mutations`: enough to see that it works and that nothing obvious broke. */
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {hasDebugfs} from '../../support/e2fsprogs.ts';
import {testUnless} from '../../support/skip.ts';
import {hasE2fsck} from '../e2fsck.ts';
import {classesOf, runCampaign} from './campaign.ts';

const whyNot = hasE2fsck && hasDebugfs ? undefined : 'e2fsprogs is not installed';
const folder = mkdtempSync(join(tmpdir(), 'ext4box-check-'));

test.after.always(() => rmSync(folder, {recursive: true, force: true}));

testUnless(whyNot, 'of 200 mutated images e2fsck and we judge at least 97 % alike', async t => {
	t.timeout(600_000);
	const campaign = await runCampaign({folder, seed: 5000, count: 200, jobs: 2});
	t.deepEqual(campaign.crashes, []);
	t.is(campaign.judged, 200);
	const compared = campaign.judged - campaign.withoutVerdict;
	const titles = classesOf(campaign.disagreements).map(({title}) => title);
	t.true(compared >= 190);
	t.true(campaign.agreed >= 0.97 * compared, titles.join('\n'));
});
