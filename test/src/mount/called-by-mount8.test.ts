import test from 'ava';
import {UsageError} from '../../../src/cli-error.ts';
import {type Call, parseCall} from '../../../src/mount/called-by-mount8.ts';

const plain: Call = {
	source: '/dev/loop0',
	directory: '/mnt',
	lists: ['subtype=ext4box'],
	isFake: false,
	isSloppy: false,
	isVerbose: false,
};
const places = ['/dev/loop0', '/mnt'];

const calls: [string, string[], Partial<Call>][] = [
	['as mount(8) has it without options', ['-o', 'rw'], {}],
	['all of its flags', ['-s', '-f', '-n', '-v'], {isFake: true, isSloppy: true, isVerbose: true}],
	['flags in one', ['-sfnv'], {isFake: true, isSloppy: true, isVerbose: true}],
	['a type', ['-t', 'fuse.ext4'], {lists: ['subtype=ext4']}],
	['the type alone', ['-t', 'fuse'], {lists: []}],
	[
		'what subtype= says comes last, and wins',
		['-t', 'fuse.ext4', '-o', 'rw,subtype=ext3'],
		{lists: ['subtype=ext4', 'subtype=ext3']},
	],
	[
		'the words of fstab',
		[
			'-o',
			'ro,noexec,nosuid,nodev,map=me,user=ann,nofail,x-systemd.automount,X-mount.mkdir,comment=x',
		],
		{lists: ['subtype=ext4box', 'ro', 'noexec', 'nosuid', 'nodev', 'map=me', 'nofail']},
	],
	[
		'a comma behind a backslash',
		['-o', 'fsname=a\\,b,ro'],
		{lists: ['subtype=ext4box', 'fsname=a\\,b', 'ro']},
	],
	['a backslash at the end', ['-o', 'fsname=a\\'], {lists: ['subtype=ext4box', 'fsname=a\\']}],
	[
		'a remount, with what the mount table says',
		['-o', 'rw,remount,nosuid,user_id=0,group_id=0,default_permissions,allow_other,max_read=4096'],
		{lists: ['subtype=ext4box', 'rw', 'remount', 'nosuid']},
	],
	['allow_other of a mount', ['-o', 'allow_other'], {lists: ['subtype=ext4box', 'allow_other']}],
];

for (const [title, args, expected] of calls) {
	test(title, t => {
		t.deepEqual(parseCall([...places, ...args]), {...plain, ...expected});
		t.deepEqual(parseCall([...args, ...places]), {...plain, ...expected}, 'operands last');
	});
}

const refused: [string, string[], RegExp][] = [
	['nothing', [], /SOURCE is missing/],
	['no directory', ['/dev/loop0'], /DIR is missing/],
	['a third operand', [...places, 'more'], /"more" is one argument too many/],
	['an unknown flag', [...places, '-q'], /unknown option '-q'/],
	['another namespace', [...places, '-N', '/proc/1/ns/mnt'], /another namespace/],
	['a type of another’s', [...places, '-t', 'ext4'], /"ext4" is not fuse.ext4box/],
	['options in a type', [...places, '-t', 'fuse.ext4,allow_other'], /is not fuse.ext4box/],
];

for (const [title, args, message] of refused) {
	test(`${title}: refused`, t => {
		t.throws(() => parseCall(args), {instanceOf: UsageError, message});
	});
}
