/**
 * A server that does whatever it is told, in the real sandbox: each way out is tried and fails. The
 * same requests to the same server without a sandbox succeed, or these tests would prove nothing.
 */
import {constants, existsSync, readFileSync, truncateSync, writeFileSync} from 'node:fs';
import {createServer, type Server} from 'node:net';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {buildSync} from 'esbuild';
import {exposedFiles} from '../../src/mount/exposed-files.ts';
import {nodeFlags} from '../../src/mount/launch.ts';
import {answersAt, bytes, type HoleRequest, path} from '../support/holes.ts';
import {buildTools, Playground, until, whyNoFusermount3} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

const root = join(import.meta.dirname, '../..');

buildTools('test-tools');

/** The server with the hole, laid together as the real one is. Returns its path. */
function buildServer(place: Playground): string {
	const server = join(place.folder, 'holed-server.mjs');
	const {outputFiles} = buildSync({
		entryPoints: [join(root, 'test/support/holed-server.ts')],
		bundle: true,
		platform: 'node',
		format: 'esm',
		external: ['koffi'],
		write: false,
	});
	// It lies where Node would not find the package.
	const koffi = JSON.stringify(join(root, 'node_modules/koffi/index.js'));
	const script = outputFiles.map(({text}) => text).join('');
	writeFileSync(server, script.replace(/(?<= from )"koffi"/, koffi));
	return server;
}

type Level = 'off' | 'normal' | 'strict' | 'careless';

/** Runs the requests in a server, mounted as an ordinary user's; returns what they returned. */
async function ask(
	t: ExecutionContext,
	place: Playground,
	level: Level,
	requests: readonly HoleRequest[],
): Promise<number[]> {
	writeFileSync(place.image, `${JSON.stringify(requests)}\n`.padEnd(answersAt, '\n'));
	// Room for the answers: an image does not grow.
	truncateSync(place.image, 1 << 20);
	const server = buildServer(place);
	const exposed = [...exposedFiles(root, true), server];
	const ended = await place.run(
		place.helper,
		...['mount', '--foreground', '--image', place.image, '--mountpoint', place.mountpoint],
		...[
			'--fsname',
			'holes',
			'--report-fd',
			'3',
			'--sandbox',
			level === 'careless' ? 'normal' : level,
		],
		...exposed.flatMap(name => ['--expose', name]),
		...[
			'--',
			process.execPath,
			...(level === 'strict' ? ['--jitless'] : []),
			...nodeFlags,
			server,
			level,
		],
	);
	t.log(ended.report.trim(), ended.err.trim());
	const [line = ''] = readFileSync(place.image).subarray(answersAt).toString('utf8').split('\n');
	return JSON.parse(line) as number[];
}

type Way = {
	readonly what: string;
	readonly request: HoleRequest;
	/** What it is answered in the sandbox, where that is not the filter's EPERM. */
	readonly refusal?: number;
};

/** What an attacker would do next. `victim`: another process of the same user. */
function waysOut(place: Playground, victim: number, port: number): Way[] {
	const here = -100;
	const unixAddress = Buffer.concat([
		Buffer.from([1, 0]),
		Buffer.from(`${join(place.folder, 'socket')}\0`),
	]);
	const portBytes = Buffer.from([port >> 8, port & 0xff]);
	const internetAddress = Buffer.concat([
		Buffer.from([2, 0]),
		portBytes,
		Buffer.from([127, 0, 0, 1]),
		Buffer.alloc(8),
	]);
	const seize = 0x4206;
	return [
		{what: 'read a file', request: {call: 'openat', values: [here, path('/etc/passwd'), 0]}},
		{
			what: 'see a file of the host',
			request: {
				call: 'newfstatat',
				values: [here, path('/etc/passwd'), bytes(Buffer.alloc(256)), 0],
			},
		},
		{
			what: 'make a file',
			request: {call: 'openat', values: [here, path(join(place.folder, 'made')), 0o101, 0o600]},
		},
		{what: 'open a device', request: {call: 'openat', values: [here, path('/dev/null'), 2]}},
		{
			what: 'list the root',
			request: {call: 'openat', values: [here, path('/'), constants.O_DIRECTORY]},
		},
		// Descriptors are given out in order: this socket is the next one's.
		{what: 'make a unix socket', request: {call: 'socket', values: [1, 1, 0]}},
		{what: 'make an internet socket', request: {call: 'socket', values: [2, 1, 0]}},
		{
			what: 'connect to a unix socket',
			request: {call: 'connect', values: [-1, bytes(unixAddress), unixAddress.length]},
		},
		{
			what: 'connect over the network',
			request: {call: 'connect', values: [-2, bytes(internetAddress), internetAddress.length]},
		},
		{what: 'fork', request: {call: 'clone', values: [17, 0, 0, 0, 0]}},
		{what: 'attach to a process', request: {call: 'ptrace', values: [seize, victim, 0, 0]}},
		{what: 'take hold of a process', request: {call: 'pidfd_open', values: [victim, 0]}},
		{what: 'copy a descriptor', request: {call: 'dup', values: [4]}},
		{what: 'make memory executable', request: {call: 'mmap', values: [0, 4096, 7, 0x22, -1, 0]}},
		{what: 'change the size of the image', request: {call: 'ftruncate', values: [4, 1 << 21]}},
		{
			what: 'make memory that no limit counts',
			request: {call: 'mmap', values: [0, 4096, 3, 0x21, -1, 0]},
		},
		{
			what: 'write beyond the end of the image',
			request: {call: 'pwrite64', values: [4, bytes(Buffer.from('x')), 1, 3 << 20]},
			refusal: -27, // EFBIG
		},
		{
			what: 'have page tables without end',
			request: {call: 'mmap', values: [0, 2 ** 44, 1, 0x22, -1, 0]},
			refusal: -12, // ENOMEM
		},
		{what: 'signal a process', request: {call: 'kill', values: [victim, 15]}},
		{
			what: 'execute a program',
			request: {
				call: 'execve',
				values: [path('/bin/sh'), bytes(Buffer.alloc(8)), bytes(Buffer.alloc(8))],
			},
		},
	];
}

/** What a connect is to: the sockets that the two requests before have made. */
function withSockets(ways: readonly Way[], sockets: readonly number[]): HoleRequest[] {
	return ways.map(({request}) =>
		request.call === 'connect'
			? {
					...request,
					values: [sockets[request.values[0] === -1 ? 0 : 1] ?? -1, ...request.values.slice(1)],
				}
			: request,
	);
}

async function listen(target: string | number): Promise<Server> {
	const listening = createServer(socket => socket.destroy());
	const {promise, resolve} = Promise.withResolvers<void>();
	listening.listen(
		typeof target === 'string'
			? {path: target, writableAll: true}
			: {port: target, host: '127.0.0.1'},
		resolve,
	);
	await promise;
	return listening;
}

async function tryAll(
	t: ExecutionContext,
	level: Level,
): Promise<{ways: Way[]; results: number[]; isVictimAlive: boolean; folder: Playground}> {
	const place = new Playground();
	t.teardown(() => place.close());
	const victim = place.start('/bin/sleep', ['60']);
	const pid = victim.pid ?? 0;
	place.rememberProcess(pid);
	const internet = await listen(0);
	const local = await listen(join(place.folder, 'socket'));
	t.teardown(() => {
		internet.close();
		local.close();
	});
	const address = internet.address();
	const port = typeof address === 'object' && address !== null ? address.port : 0;
	const ways = waysOut(place, pid, port);
	// Which numbers its sockets get is found out first, by making them.
	const probe = ways.filter(({request}) =>
		['openat', 'newfstatat', 'socket'].includes(request.call),
	);
	const found = await ask(
		t,
		place,
		level,
		probe.map(({request}) => request),
	);
	const sockets = found.slice(-2);
	const results = await ask(t, place, level, withSockets(ways, sockets));
	await until(() => !place.isAlive(pid), level === 'off' ? 2000 : 100);
	return {ways, results, isVictimAlive: place.isAlive(pid), folder: place};
}

serialTestUnless(whyNoFusermount3(), 'without a sandbox every way is open', async t => {
	const {ways, results, isVictimAlive, folder} = await tryAll(t, 'off');
	const closed = ways.filter((_, index) => (results[index] ?? 0) < 0).map(({what}) => what);
	t.deepEqual(closed, []);
	t.false(isVictimAlive);
	t.true(existsSync(join(folder.folder, 'made')));
	// The last of them was to become another program: so it never came to write its result.
	t.is(results.length, ways.length - 1);
});

for (const level of ['normal', 'strict'] as const) {
	serialTestUnless(whyNoFusermount3(), `in the sandbox none is: ${level}`, async t => {
		const {ways, results, isVictimAlive, folder} = await tryAll(t, level);
		t.is(results.length, ways.length);
		const refused = -1; // EPERM
		const open = ways
			.filter(({refusal = refused}, index) => results[index] !== refusal)
			.map(({what}) => what);
		t.deepEqual(open, []);
		t.true(isVictimAlive);
		t.false(existsSync(join(folder.folder, 'made')));
	});
}

serialTestUnless(
	whyNoFusermount3(),
	'what the helper has put around it holds without the filter for serving',
	async t => {
		const {ways, results, isVictimAlive} = await tryAll(t, 'careless');
		const isMissing = -2; // ENOENT: there is no such file in its root.
		const open = ways.filter((_, index) => {
			const result = results[index] ?? 0;
			return result >= 0;
		});
		t.deepEqual(
			open.map(({what}) => what),
			[
				'list the root',
				'copy a descriptor',
				'make memory executable',
				'change the size of the image',
				'make memory that no limit counts',
				'write beyond the end of the image',
				'have page tables without end',
			],
		);
		for (const what of [
			'read a file',
			'see a file of the host',
			'open a device',
			'execute a program',
		]) {
			t.is(results[ways.findIndex(way => way.what === what)], isMissing, what);
		}
		t.true(isVictimAlive);
	},
);
