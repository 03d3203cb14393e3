/** The privileged helper’s command line, in the hands of an ordinary user who means ill. */
import {spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {Abuse, type Asked, config} from '../support/abuse.ts';

const cases = new Abuse('abuse-options');
const {abuse} = cases;

const usage: [string, Asked][] = [
	['a program of the caller’s', {server: ['/bin/sh']}],
	['a program and a configuration', {server: ['/bin/sh', config]}],
	['a configuration and more', {server: [config, '--eval=1']}],
	['no configuration', {server: []}],
	['an empty configuration', {server: ['']}],
	['an option for Node', {server: ['--require=/tmp/x.js']}],
	['a configuration of 65,537 bytes', {server: [`{${' '.repeat(65_536)}`]}],
	['a way to mount', {options: ['--way', 'direct']}],
	['another way to mount', {options: ['--way', 'fusermount3']}],
	['suid', {options: ['--suid']}],
	['-o suid,dev', {options: ['-o', 'suid,dev']}],
	['a user id', {options: ['--user-id', '0']}],
	['an option of run', {options: ['--temporary']}],
	['a path for its sandbox to show', {options: ['--expose', '/etc']}],
	['an unknown sandbox', {sandbox: ['--sandbox', 'none']}],
	['a count of server arguments', {options: ['--server-argc', '1']}],
	['a control character in the name', {fsname: `${cases.word}\x1bx`}],
	['a name of 1,025 bytes', {fsname: cases.word.padEnd(1025, 'x')}],
	['an empty name', {fsname: ''}],
	['an empty mountpoint', {mountpoint: ''}],
	['an image path of 4,096 bytes', {image: '/'.padEnd(4096, 'x')}],
];

for (const [what, asked] of usage) {
	abuse(`refused as wrong usage: ${what}`, async (t, place) => {
		const {code, report, err} = await cases.mount(place, asked);
		t.is(code, 2);
		// On stderr, where the report's descriptor comes behind what was wrong.
		t.regex(`${report}${err}`, /^(failed usage 0|mount-helper:) [^\n]+\n$/);
		t.deepEqual(cases.mounts(), []);
		t.deepEqual(cases.installation.servers(), []);
	});
}

abuse('refused as wrong usage: run', async (t, place) => {
	const args = cases.argumentsOf(place, {}).slice(1, -2);
	const ended = await place.run(
		cases.installation.helper,
		...['run', ...args, '--server-argc', '1', '--', config, '/bin/id'],
	);
	t.is(ended.code, 2);
	t.is(ended.out, '');
});

abuse('started without any argument, not even its name', (t, place) => {
	const script = 'exec {$ARGV[0]} () or die "cannot"';
	const perl = spawnSync('perl', ['-e', script, cases.installation.helper], {
		...place.user,
		encoding: 'utf8',
	});
	t.not(perl.status, 0);
});

for (const name of [
	'a,allow_other',
	'a,suid,dev',
	'a\\,user_id=0',
	'a user_id=0 rw',
	'a\\040,fd=0',
	'a\tb\n1 1 0:1 / /etc rw - ext4 /dev/sda1 rw,user_id=0',
]) {
	abuse(`a name is a name and no option: ${JSON.stringify(name)}`, async (t, place) => {
		const {made} = await cases.assertMounted(t, place, {fsname: `${cases.word} ${name}`});
		t.is(made?.source, `${cases.word} ${name}`);
		t.is(made?.uid, place.user.uid);
		t.true(made?.options.includes('nosuid'));
		t.true(made?.options.includes('nodev'));
		const line = readFileSync('/proc/self/mountinfo', 'utf8')
			.split('\n')
			.find(one => one.includes(place.mountpoint));
		t.regex(line ?? '', /ro,user_id=\d+,group_id=\d+$/);
	});
}
