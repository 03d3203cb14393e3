import test from 'ava';
import {
	explainFailure,
	findNamespaceSwitch,
	type MachineFacts,
} from '../../../src/mount/failures.ts';

const healthy: MachineFacts = {
	device: 'ok',
	namespaceSwitch: null,
	isFusermountPlain: false,
	isRoot: false,
};

// What the helper reports, what the machine looks like, what the user reads.
const table: [string, number, string, Partial<MachineFacts>, RegExp][] = [
	['loop', 0, 'no loop device for d.img: /dev/loop7: Invalid argument', {}, /Invalid argument$/],
	[
		'loop',
		0,
		'no loop device for d.img: /dev/loop-control: No such file or directory',
		{},
		/directory: as root, "modprobe loop"/,
	],
	['no-fusermount3', 2, 'x', {}, /install the package fuse3, or use "ext4box run/],
	['fusermount3', 0, 'fusermount3: fuse device not found', {device: 'missing'}, /modprobe fuse/],
	[
		'fusermount3',
		0,
		'fusermount3: failed to open',
		{device: 'forbidden'},
		/chmod 0666 \/dev\/fuse/,
	],
	[
		'fusermount3',
		0,
		"fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf",
		{},
		/allow_other is not permitted here.*fuse\.conf/,
	],
	[
		'fusermount3',
		0,
		'fusermount3: user has no write access to mountpoint /m',
		{},
		/\/m is not yours/,
	],
	['fusermount3', 0, 'fusermount3: mountpoint /m not owned by user', {}, /\/m is not yours/],
	['fusermount3', 0, 'fusermount3: too many FUSE filesystems mounted', {}, /mount_max/],
	[
		'fusermount3',
		0,
		'fusermount3: mount failed: Operation not permitted',
		{isFusermountPlain: true},
		/set-uid bit/,
	],
	['fusermount3', 0, 'fusermount3: something new', {}, /^fusermount3: something new$/],
	['device', 2, 'cannot open /dev/fuse', {device: 'missing'}, /is missing.*modprobe/],
	['device', 13, 'cannot open /dev/fuse', {device: 'forbidden'}, /may not be opened by you/],
	['device', 19, 'cannot open /dev/fuse', {}, /cannot open \/dev\/fuse: no such device/],
	[
		'namespace',
		1,
		'cannot make',
		{namespaceSwitch: 'sysctl x is 0'},
		/not permitted.*sysctl x is 0/,
	],
	['namespace', 1, 'cannot make a user namespace', {}, /operation not permitted.*seccomp/],
	['mount', 13, 'cannot mount on /m', {namespaceSwitch: 'AppArmor restricts'}, /AppArmor/],
	['mount', 1, 'cannot mount on /m', {isRoot: true}, /CAP_SYS_ADMIN/],
	['mount', 19, 'cannot mount on /m', {isRoot: true}, /no such device/],
	['mountpoint', 2, '/m', {}, /mountpoint \/m: no such file/],
	['server', 0, 'signal 11', {}, /ended by signal 11 before it was ready/],
	['internal', 9999, 'pipe', {}, /pipe: error 9999/],
];

for (const [code, errno, text, facts, message] of table) {
	test(`${code} ${errno} ${text} ${JSON.stringify(facts)}`, t => {
		t.regex(explainFailure({code, errno, text}, {...healthy, ...facts}, '/m'), message);
	});
}

test('findNamespaceSwitch names the first switch that stands against them', t => {
	const machine = (files: Record<string, string>) => (path: string) => files[path] ?? null;
	const max = '/proc/sys/user/max_user_namespaces';
	const debian = '/proc/sys/kernel/unprivileged_userns_clone';
	const ubuntu = '/proc/sys/kernel/apparmor_restrict_unprivileged_userns';
	t.is(findNamespaceSwitch(machine({})), null);
	t.is(findNamespaceSwitch(machine({[max]: '96365', [debian]: '1', [ubuntu]: '0'})), null);
	t.regex(findNamespaceSwitch(machine({[max]: '0'})) ?? '', /max_user_namespaces/);
	t.regex(findNamespaceSwitch(machine({[debian]: '0'})) ?? '', /unprivileged_userns_clone/);
	t.regex(findNamespaceSwitch(machine({[ubuntu]: '1'})) ?? '', /AppArmor/);
});
