import test from 'ava';
import {errno} from '../../../src/errno.ts';
import {BusyWait} from '../../../src/fuse/busy-wait.ts';
import {DeviceTransport} from '../../../src/fuse/transport.ts';

/** A clock in milliseconds that only moves when it is told to, or by `step` each time it is asked. */
function makeTime(step: number) {
	let milliseconds = 0;
	return {
		now: () => {
			milliseconds += step;
			return milliseconds;
		},
		pass: (more: number) => {
			milliseconds += more;
		},
	};
}

function countAttempts(busyWait: BusyWait): number {
	let attempts = 0;
	busyWait.until(() => {
		attempts++;
		return false;
	});
	return attempts;
}

test('who has slept for long goes to sleep at once', t => {
	const time = makeTime(0.001);
	const busyWait = new BusyWait(time.now);
	t.is(countAttempts(busyWait), 0);
	busyWait.learnFrom(() => time.pass(10));
	t.is(countAttempts(busyWait), 0);
});

test('who was woken soon stays awake, and gives it up where nothing comes', t => {
	const time = makeTime(0.001);
	const busyWait = new BusyWait(time.now);
	t.is(
		busyWait.learnFrom(() => {
			time.pass(0.05);
			return 'woken';
		}),
		'woken',
	);
	const attempts = Array.from({length: 6}, () => countAttempts(busyWait));
	t.true((attempts[0] ?? 0) > 100);
	for (let index = 1; index < attempts.length; index++) {
		t.true((attempts[index] ?? 0) <= (attempts[index - 1] ?? 0) / 2 + 1);
	}
	t.is(attempts.at(-1), 0);
});

test('what comes in time is taken, and the next wait is as patient', t => {
	const time = makeTime(0.001);
	const busyWait = new BusyWait(time.now);
	busyWait.learnFrom(() => time.pass(0.05));
	for (let round = 0; round < 5; round++) {
		let attempts = 0;
		t.true(busyWait.until(() => ++attempts === 100));
	}
});

/** A transport whose reads and waits end as listed. */
function scripted(reads: number[], waits: boolean[] = []) {
	const calls: string[] = [];
	const ticks = {count: 0};
	const transport = new DeviceTransport(
		3,
		{
			read(descriptor, into) {
				calls.push(`read ${descriptor}`);
				into[0] = 7;
				return reads.shift() ?? -errno.ENODEV;
			},
			write(_descriptor, _from, length) {
				calls.push(`write ${length}`);
				return reads.shift() ?? length;
			},
		},
		{
			tick() {
				ticks.count++;
				return 1000;
			},
			wait(timeout) {
				calls.push(`wait ${timeout}`);
				return waits.shift() ?? true;
			},
		},
	);
	return {transport, calls, ticks};
}

test('a request that is there is read without waiting', t => {
	const {transport, calls} = scripted([40]);
	const bytes = new Uint8Array(64);
	t.is(transport.receive(bytes), 40);
	t.is(bytes[0], 7);
	t.deepEqual(calls, ['read 3']);
});

test('where none is there, it is waited for; what was taken back is forgotten', t => {
	const {transport, calls} = scripted([-errno.EAGAIN, -errno.ENOENT, -errno.EINTR, 40]);
	t.is(transport.receive(new Uint8Array(64)), 40);
	t.deepEqual(calls, ['read 3', 'wait 1000', 'read 3', 'read 3', 'read 3']);
});

for (const [what, outcome] of [
	['unmounted', -errno.ENODEV],
	['aborted', -errno.ECONNABORTED],
] as const) {
	test(`no request follows when the file system is ${what}`, t => {
		t.is(scripted([outcome]).transport.receive(new Uint8Array(64)), 0);
	});
}

test('told to end while it waits, and under a load that never lets it wait', t => {
	t.is(scripted([-errno.EAGAIN], [false]).transport.receive(new Uint8Array(64)), 0);
	const busy = scripted(new Array<number>(1000).fill(40), [false]);
	let served = 0;
	while (busy.transport.receive(new Uint8Array(64)) !== 0) served++;
	t.true(served < 100);
	t.true(busy.calls.includes('wait 0'));
});

test('what is due is not put off for long by a load that never lets it wait', t => {
	const {transport, ticks} = scripted(new Array<number>(1000).fill(40));
	const bytes = new Uint8Array(64);
	for (let served = 1; served <= 800; served++) {
		t.is(transport.receive(bytes), 40);
		t.is(ticks.count, Math.floor(served / 8), `${served}`);
	}
});

test('an error of the device is told by its name', t => {
	const {transport} = scripted([-errno.EIO]);
	t.throws(() => transport.receive(new Uint8Array(64)), {message: /EIO/});
});

for (const [outcome, expected] of [
	[24, 'sent'],
	[-errno.ENOENT, 'gone'],
	[-errno.ENODEV, 'gone'],
	[-errno.EINVAL, 'refused'],
] as const) {
	test(`a reply is ${expected} where write gives ${outcome}`, t => {
		t.is(scripted([outcome]).transport.send(new Uint8Array(64), 24), expected);
	});
}

test('what is ready is read, and not waited for', t => {
	const {transport, calls} = scripted([-errno.EINTR, 40, -errno.EAGAIN, -errno.ENODEV]);
	const bytes = new Uint8Array(64);
	t.is(transport.receiveReady(bytes), 40);
	t.is(transport.receiveReady(bytes), 0);
	t.is(transport.receiveReady(bytes), 0);
	t.true(calls.every(call => call === 'read 3'));
});
