/** What the privileged helper takes for an image: nothing that its caller may not open himself. */
import {chmodSync, existsSync} from 'node:fs';
import {join} from 'node:path';
import {
	Abuse,
	descriptorsOf,
	foreignImage,
	goneWithinMs,
	hidden,
	linkTo,
	madeBy,
	type Prepared,
	stranger,
} from '../support/abuse.ts';
import {ending, Playground, until} from '../support/mounting.ts';

const cases = new Abuse('abuse-images');
const {abuse} = cases;

const image = /^failed image \d+ /;
const images: [string, Prepared, RegExp, (readonly string[])?][] = [
	['/etc/shadow', () => '/etc/shadow', /^failed image 13 /],
	['a link to /etc/shadow', linkTo(() => '/etc/shadow'), /^failed image 13 /],
	['somebody’s 0600 file', foreignImage(0o600), /^failed image 13 /],
	['somebody’s 0644 file, for writing', foreignImage(0o644), /^failed image 13 /, []],
	['a file in a directory that is closed', hidden, /^failed image 13 /],
	['a dangling link', linkTo(() => '/nonexistent/x'), /^failed image 2 /],
	['a link to itself', linkTo(place => join(place.folder, 'link')), /^failed image 40 /],
	['a directory', place => place.folder, image],
	['a directory, for writing', place => place.folder, image, []],
	['a fifo', madeBy('mkfifo'), image],
	['a fifo, for writing', madeBy('mkfifo'), image, []],
	['/dev/null', () => '/dev/null', image],
	['/dev/full', () => '/dev/full', image, []],
	['/dev/fuse', () => '/dev/fuse', image, []],
	['/dev/mem', () => '/dev/mem', /^failed image \d+ /],
	['the helper’s own memory', () => '/proc/self/mem', image],
	['the helper’s own memory, for writing', () => '/proc/self/mem', image, []],
	['a link to it', linkTo(() => '/proc/self/mem'), image, []],
	['the helper’s environment', () => '/proc/self/environ', image],
	['the memory of process 1', () => '/proc/1/mem', image],
	['a file behind the root of process 1', () => '/proc/1/root/etc/passwd', image],
	['a setting of the kernel’s', () => '/proc/sys/kernel/hostname', image],
	['a file of sysfs', () => '/sys/kernel/uevent_seqnum', image],
	['the policy, for writing', () => cases.installation.policyPath, /^failed image 13 /, []],
	['the helper itself, for writing', () => cases.installation.helper, /^failed image (13|26) /, []],
	['the installed Node, for writing', () => cases.installation.node, /^failed image (13|26) /, []],
	['the lock file', () => join(cases.installation.prefix, 'run/ext4box.lock'), image],
];

for (const [what, prepare, report, options] of images) {
	abuse(`not an image for this caller: ${what}`, async (t, place) => {
		const asked = {image: prepare(place), ...(options === undefined ? {} : {options})};
		await cases.assertRefused(t, place, asked, report);
	});
}

abuse('an image that another user has for writing', async (t, place) => {
	const shared = foreignImage(0o666)(place);
	const other = new Playground(stranger);
	try {
		chmodSync(place.folder, 0o755);
		await cases.assertMounted(t, other, {image: shared, options: []});
		t.regex((await cases.mount(place, {image: shared})).report, /^failed in-use /);
		t.is(cases.mounts().length, 1);
	} finally {
		await other.close();
	}
});

abuse('an image that is swapped for somebody’s while it is opened', async (t, place) => {
	const theirs = foreignImage(0o600)(place);
	const script = `
		my ($dir, $own, $theirs) = @ARGV;
		while (1) {
			symlink($own, "$dir/n") && rename("$dir/n", "$dir/swap");
			symlink($theirs, "$dir/n") && rename("$dir/n", "$dir/swap");
		}`;
	const swapper = place.start('/usr/bin/perl', ['-e', script, place.folder, place.image, theirs]);
	const swap = join(place.folder, 'swap');
	t.not(await until(() => existsSync(swap), 2000), null);
	let opened = 0;
	for (let round = 0; round < 60; round++) {
		const ended = await cases.mount(place, {image: swap});
		if (ended.report.startsWith('ready')) {
			opened++;
			t.true(descriptorsOf(cases.installation.servers()[0] ?? 0).includes(`4 ${place.image}`));
			const [now] = cases.mounts();
			await cases.unmount(place, String(now?.id), now?.device ?? '', '--lazy');
			await until(cases.isNothingLeft, goneWithinMs);
		} else {
			t.regex(ended.report, /^failed image (13|2) |^failed in-use/);
		}
	}
	swapper.kill('SIGKILL');
	await ending(swapper);
	t.log(`${opened} of 60 opened the caller’s own`);
});
