/** A slice of what `make -C test/fuzz/helper run` does. */
import {spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {testUnless} from '../support/skip.ts';

const folder = join(import.meta.dirname, 'helper');
const whyNot = spawnSync('cc', ['--version']).status === 0 ? undefined : 'there is no C compiler';

testUnless(whyNot, 'what the mount helper reads of others holds, under sanitizers', t => {
	t.timeout(280_000);
	const {status, stdout, stderr} = spawnSync('make', ['-s', '-C', folder, 'run', 'COUNT=20000'], {
		encoding: 'utf8',
	});
	t.is(status, 0, stderr);
	const edges = [...stdout.matchAll(/^20000 inputs of seed 1: (\d+) edges/gm)];
	t.is(edges.length, 2, stdout);
	// Else the inputs never got past the first checks.
	for (const [, count] of edges) t.true(Number(count) > 250, stdout);
});
