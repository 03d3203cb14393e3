/** Both ends of what passes between processes: the helper's report, the server's one argument. */
import test from 'ava';
import {parseReport} from '../../../src/mount/launch.ts';
import {parseServerConfig, type ServerConfig} from '../../../src/mount/server-config.ts';

test('parseReport', t => {
	t.deepEqual(parseReport('ready fusermount3 43 0:39 6603'), {
		kind: 'ready',
		mounted: {way: 'fusermount3', id: 43, device: '0:39', supervisorPid: 6603},
	});
	t.deepEqual(parseReport('failed no-fusermount3 2 it is: not there'), {
		kind: 'failed',
		failure: {code: 'no-fusermount3', errno: 2, text: 'it is: not there'},
	});
	for (const line of ['', 'ready', 'ready magic 1 0:1 2', 'failed', 'ready direct 1 0:1 2 3']) {
		t.deepEqual(parseReport(line), {kind: 'none'}, line);
	}
});

const config: ServerConfig = {
	imageName: 'disk.img',
	readOnly: true,
	noRecovery: false,
	startsReadOnly: false,
	errors: 'default',
	map: {kind: 'image'},
	mounterUid: 1000,
	mounterGid: 1000,
	allowOther: false,
	defaultPermissions: false,
	acl: false,
	fakeroot: false,
	direct: false,
	minixDf: false,
	noAtime: false,
	commitSeconds: 5,
	isSync: false,
	isDirSync: false,
	iomap: 'auto',
	debug: false,
};

const good: Partial<ServerConfig>[] = [
	{},
	{offset: 1024},
	{partition: 3, cacheBytes: 1},
	{readOnly: false, startsReadOnly: true},
	{readOnly: false, commitSeconds: 1, isSync: true, isDirSync: true},
	{create: {uid: 0, gid: 100}},
	{map: {kind: 'owner', uid: 0, gid: null}},
	{map: {kind: 'ranges', ranges: [{image: 0, host: 1000, count: 1}]}},
];

for (const fields of good) {
	test(`parseServerConfig takes ${JSON.stringify(fields)}`, t => {
		const whole = {...config, ...fields};
		t.deepEqual(parseServerConfig(JSON.stringify(whole)), whole);
	});
}

const bad: [object, RegExp][] = [
	[{readOnly: 1}, /readOnly is 1, wanted true or false/],
	[{startsReadOnly: true}, /both readOnly and startsReadOnly/],
	[{readOnly: undefined}, /readOnly is undefined/],
	[{imageName: null}, /imageName/],
	[{surprise: true}, /unknown field "surprise"/],
	[{offset: -1}, /offset is -1/],
	[{offset: 0.5}, /offset is 0.5/],
	[{offset: 0, partition: 1}, /both offset and partition/],
	[{partition: 0}, /partition is 0/],
	[{mounterUid: 4_294_967_295}, /mounterUid/],
	[{commitSeconds: 0}, /commitSeconds is 0/],
	[{create: {uid: 0}}, /gid is undefined/],
	[{create: {uid: 0, gid: 0, mode: 0}}, /unknown field "mode"/],
	[{errors: 'sometimes'}, /errors is "sometimes"/],
	[{map: null}, /map: not an object/],
	[{map: {kind: 'none'}}, /kind is "none"/],
	[{map: {kind: 'image', uid: 1}}, /unknown field "uid"/],
	[{map: {kind: 'owner', uid: 1}}, /gid is undefined/],
	[{map: {kind: 'ranges', ranges: []}}, /wanted 1 to 340 ranges/],
	[{map: {kind: 'ranges', ranges: [{image: 0, host: 0}]}}, /count is undefined/],
];

for (const [fields, message] of bad) {
	test(`parseServerConfig refuses ${JSON.stringify(fields)} (${message.source})`, t => {
		t.throws(() => parseServerConfig(JSON.stringify({...config, ...fields})), {
			instanceOf: TypeError,
			message,
		});
	});
}

test('parseServerConfig refuses what is no JSON object', t => {
	t.throws(() => parseServerConfig('{'), {instanceOf: SyntaxError});
	t.throws(() => parseServerConfig('[]'), {message: /not an object/});
	t.throws(() => parseServerConfig('null'), {message: /not an object/});
});
