/** `check` and `report` of an image that is in use: refused with a clear word, unless asked for by name. */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import {makeImage} from '../support/made-image.ts';
import {run, temporary} from '../support/program.ts';
import {RootMount, whyNotMountable} from '../support/root-mount.ts';
import {serialTestUnless} from '../support/skip.ts';

serialTestUnless(
	whyNotMountable(),
	'an image that ext4box has mounted for writing is refused unless --live',
	async t => {
		const image = makeImage();
		t.teardown(() => image.remove());
		await using mount = await RootMount.open(image.path, {readOnly: false});
		const refused = run(['check', image.path]);
		t.is(refused.status, 8, refused.stdout);
		t.is(refused.stdout, '');
		t.true(refused.stderr.includes(`ext4box has it mounted on ${mount.directory}`), refused.stderr);
		t.regex(refused.stderr, /--live/);
		t.is(run(['check', '--live', image.path]).status, 0);
		const noReport = run(['report', image.path, '-o', '-']);
		t.is(noReport.status, 1);
		t.is(noReport.stdout, '');
		t.true(noReport.stderr.includes(`ext4box has it mounted on ${mount.directory}: `));
		t.regex(noReport.stderr, /--live/);
		t.is(run(['report', '--live', image.path, '-o', '-']).status, 0);
		t.is(await mount.close(), 0);
		t.is(run(['check', image.path]).status, 0);
	},
);

serialTestUnless(whyNotMountable(), 'one that it has mounted for reading is not', async t => {
	const image = makeImage();
	t.teardown(() => image.remove());
	await using mount = await RootMount.open(image.path, {readOnly: true});
	t.is(run(['check', image.path]).status, 0);
	t.is(await mount.close(), 0);
});

const whyNoLoop = fs.existsSync('/dev/loop-control') ? whyNotMountable() : 'no loop devices';

serialTestUnless(whyNoLoop, 'one that the kernel has mounted is refused too', t => {
	const image = makeImage();
	t.teardown(() => image.remove());
	const directory = temporary(t);
	execFileSync('mount', ['-o', 'loop', image.path, directory], {stdio: 'pipe'});
	try {
		const refused = run(['check', image.path]);
		t.is(refused.status, 8);
		t.true(refused.stderr.includes(`the kernel has it mounted on ${directory}`), refused.stderr);
		t.true([0, 4].includes(run(['check', '--live', image.path]).status ?? -1));
		// An ordinary user is told as much.
		t.is(run(['check', image.path], {isOrdinary: true}).status, 8);
	} finally {
		execFileSync('umount', [directory]);
	}
});
