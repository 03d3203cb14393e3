/** A slice of `npm run crash -- --iomap`: a few crashes of every workload. */
import {iomapFormats, makeIomapClient} from '../../crash/iomap-client.ts';
import {runMatrix} from '../../crash/matrix.ts';
import {workloads} from '../../crash/workloads.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');

for (const [index, workload] of Object.keys(workloads).entries()) {
	const format = iomapFormats[index % iomapFormats.length] ?? 'ext4';
	testUnless(why, `crashes of ${workload} on ${format}, the kernel moving the data`, t => {
		const {judged, points} = runMatrix({
			format,
			workload,
			seed: Number(process.env['EXT4BOX_SEED'] ?? 1),
			lossesPerEpoch: 3,
			tornPerEpoch: 2,
			pointsMax: 12,
			hasKernel: process.getuid?.() === 0,
			makeClient: makeIomapClient,
		});
		t.log(`${judged} states of ${points} crash points`);
		t.true(judged > 0);
	});
}
