import test from 'ava';
import {UsageError} from '../../../src/cli-error.ts';
import {type MountOptions, ownerMapOf, parseMountOptions} from '../../../src/mount/options.ts';

const nothing = parseMountOptions([]);

test('nothing said', t => {
	t.deepEqual(nothing, {
		access: 'unsaid',
		isRemount: false,
		owners: {kind: 'unsaid'},
		offset: null,
		partition: null,
		cacheBytes: null,
		fsname: null,
		subtype: 'ext4box',
		errors: 'default',
		acl: null,
		noRecovery: false,
		isRecovered: false,
		fakeroot: false,
		allowOther: false,
		defaultPermissions: false,
		direct: false,
		minixDf: false,
		noExec: false,
		noAtime: false,
		commitSeconds: 5,
		isSync: false,
		isDirSync: false,
		iomap: 'auto',
		isLoop: false,
		watchdogSeconds: 30,
		create: null,
		debug: false,
	});
});

const accepted: [string, Partial<MountOptions>][] = [
	['', {}],
	[',,', {}],
	['ro', {access: 'ro'}],
	['rw,ro', {access: 'ro'}],
	['rw', {access: 'rw'}],
	['ro,rw', {access: 'rw'}],
	['remount,ro', {isRemount: true, access: 'ro'}],
	['rw,remount', {isRemount: true, access: 'rw'}],
	['norecovery', {access: 'ro', noRecovery: true}],
	['ro,recover', {access: 'ro', isRecovered: true}],
	['noload', {access: 'ro', noRecovery: true}],
	['commit=30', {commitSeconds: 30}],
	['commit=0', {}],
	['watchdog=60', {watchdogSeconds: 60}],
	['watchdog=0', {watchdogSeconds: 0}],
	['sync,dirsync', {isSync: true, isDirSync: true}],
	['sync,async', {}],
	['create=0:100', {create: {uid: 0, gid: 100}}],
	['subtype=ext4', {subtype: 'ext4'}],
	['offset=0', {offset: 0}],
	['offset=1048576', {offset: 1_048_576}],
	['offset=1m,ro', {offset: 1_048_576, access: 'ro'}],
	['offset=8191T', {offset: 8191 * 2 ** 40}],
	['partition=2', {partition: 2}],
	['cache_size=64M', {cacheBytes: 64 * 2 ** 20}],
	['errors=remount-ro', {errors: 'remount-ro'}],
	['errors=panic,errors=continue', {errors: 'continue'}],
	['fakeroot,direct,debug,minixdf', {fakeroot: true, direct: true, debug: true, minixDf: true}],
	['minixdf,bsddf', {}],
	['allow_other', {allowOther: true}],
	['default_permissions', {defaultPermissions: true}],
	['acl', {acl: true}],
	['acl,noacl', {acl: false}],
	['noexec,noatime', {noExec: true, noAtime: true}],
	['loop', {isLoop: true}],
	['noexec,exec,noatime,atime', {}],
	['nosuid,nodev,relatime,defaults,_netdev,nofail,x-systemd.automount,user_xattr', {}],
	['map=me', {owners: {kind: 'me'}}],
	['map=image', {owners: {kind: 'image'}}],
	['uid=1000', {owners: {kind: 'owner', uid: 1000, gid: null}}],
	['gid=0,uid=4294967294', {owners: {kind: 'owner', uid: 4_294_967_294, gid: 0}}],
	['idmap=0:1000:1', {owners: {kind: 'ranges', ranges: [{image: 0, host: 1000, count: 1}]}}],
	[
		'idmap=0:1000:1,1000:2000:10,ro',
		{
			access: 'ro',
			owners: {
				kind: 'ranges',
				ranges: [
					{image: 0, host: 1000, count: 1},
					{image: 1000, host: 2000, count: 10},
				],
			},
		},
	],
	['fsname=disk', {fsname: 'disk'}],
	['fsname=a\tb\nc', {fsname: 'a\tb\nc'}],
	['fsname=a\\,b\\\\c=d,ro', {fsname: 'a,b\\c=d', access: 'ro'}],
	['subtype=ext4box', {}],
];

for (const [text, expected] of accepted) {
	test(`-o ${JSON.stringify(text)}`, t => {
		t.deepEqual(parseMountOptions([text]), {...nothing, ...expected});
	});
}

const refused: [string, RegExp][] = [
	['rw,norecovery', /norecovery and rw exclude each other/],
	['recover,noload', /norecovery and recover exclude each other/],
	['remount', /remount: to what/],
	['commit=', /commit needs a value/],
	['watchdog=86401', /option watchdog/],
	['watchdog=-1', /option watchdog/],
	['commit=1000001', /option commit/],
	['commit=1.5', /option commit/],
	['create=0', /is not UID:GID/],
	['create=0:0:0', /is not UID:GID/],
	['create=root:root', /option create/],
	['discard', /unknown mount option: "discard"/],
	['suid', /suid is not possible.*nosuid/],
	['dev', /dev is not possible/],
	['foo', /unknown mount option: "foo"/],
	['foo=bar', /unknown mount option: "foo=bar"/],
	['RO', /unknown mount option: "RO"/],
	['0:1:2', /unknown mount option: "0:1:2"/],
	['ro,0:1:2', /unknown mount option/],
	['idmap=0:1:2,ro,3:4:5', /unknown mount option: "3:4:5"/],
	['ro=1', /option ro takes no value/],
	['offset', /option offset needs a value/],
	['offset=', /option offset needs a value/],
	['offset=-1', /option offset wants .*"-1"/],
	['offset=1e3', /option offset/],
	['offset=9007199254740992', /option offset/],
	['offset=8192T', /option offset/],
	['offset=1,partition=1', /exclude each other/],
	['partition=0', /option partition/],
	['partition=x', /option partition/],
	['cache_size=0', /cache_size/],
	['cache_size=lots', /cache_size/],
	['errors=ignore', /none of continue, remount-ro, panic/],
	['map=you', /neither me nor image/],
	['uid=4294967295', /option uid/],
	['uid=root', /option uid/],
	['gid=-1', /option gid/],
	['map=me,uid=1', /only one can be given/],
	['uid=1,idmap=0:0:1', /only one can be given/],
	['idmap=0:0', /is not IMAGE:HOST:COUNT/],
	['idmap=0:0:0', /is empty/],
	['idmap=4294967294:0:2', /beyond/],
	['idmap=0:4294967295:1', /beyond/],
	['idmap=0:0:10,5:100:1', /overlap/],
	['idmap=0:0:10,100:9:1', /overlap/],
	['fsname=', /fsname needs a value/],
	['fsname=a\rb', /control character/],
	[`fsname=${'x'.repeat(1025)}`, /more than 1024 bytes/],
	['subtype=nfs', /subtype: "nfs" is none of ext4box, ext4/],
];

for (const [text, message] of refused) {
	test(`-o ${JSON.stringify(text.slice(0, 40))} is refused`, t => {
		t.throws(() => parseMountOptions([text]), {instanceOf: UsageError, message});
	});
}

test('several -o are one list: later ones win, id ranges add up', t => {
	t.is(parseMountOptions(['errors=panic', 'errors=continue']).errors, 'continue');
	t.deepEqual(parseMountOptions(['idmap=0:1000:1', '1:2000:1', 'idmap=2:3000:1']).owners, {
		kind: 'ranges',
		ranges: [
			{image: 0, host: 1000, count: 1},
			{image: 1, host: 2000, count: 1},
			{image: 2, host: 3000, count: 1},
		],
	});
});

test('at most 340 id ranges, as the kernel has it', t => {
	const ranges = (count: number): string =>
		`idmap=${Array.from({length: count}, (_, at) => `${at}:${at}:1`).join(',')}`;
	t.notThrows(() => parseMountOptions([ranges(340)]));
	t.throws(() => parseMountOptions([ranges(341)]), {message: /341 ranges/});
});

test('ownerMapOf settles what was left open', t => {
	const mounter = {uid: 7, gid: 8};
	const mine = {kind: 'owner', uid: 7, gid: 8} as const;
	t.deepEqual(ownerMapOf({kind: 'unsaid'}, mounter, 'image'), {kind: 'image'});
	t.deepEqual(ownerMapOf({kind: 'unsaid'}, mounter, 'me'), mine);
	t.deepEqual(ownerMapOf({kind: 'me'}, mounter, 'image'), mine);
	t.deepEqual(ownerMapOf({kind: 'image'}, mounter, 'me'), {kind: 'image'});
	const owner = {kind: 'owner', uid: 1, gid: null} as const;
	t.deepEqual(ownerMapOf(owner, mounter, 'me'), owner);
});
