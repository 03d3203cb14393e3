/** The filter's program, run as the kernel runs it; its numbers, against the kernel's own headers. */
import {execFileSync, spawnSync} from 'node:child_process';
import test from 'ava';
import {v7} from '../../iomap/protocol/v7.ts';
import {discardIoctl} from '../../src/discard.ts';
import {parseHelperReport} from '../../src/sandbox/helper-report.ts';
import {servingFilter} from '../../src/sandbox/serving-filter.ts';
import {
	type Machine,
	type SystemCallName,
	systemCallNames,
	systemCallNumber,
} from '../../src/sandbox/system-calls.ts';
import {testUnless} from '../support/skip.ts';

const allowed = 0x7fff_0000;
const refused = 0x0005_0001;
const killed = 0x8000_0000;
const arch = {x64: 0xc000_003e, arm64: 0xc000_00b7} as const;
const pid = 77;

/** Classic BPF, as much as the filter uses. */
function decide(
	machine: Machine,
	isStrict: boolean,
	number: number,
	values: readonly number[] = [],
	archWord: number = arch[machine],
	fuseIoctls: readonly number[] = [],
	imageIoctls: readonly number[] = [],
): number {
	const filter = servingFilter({machine, pid, isStrict, fuseIoctls, imageIoctls});
	const program = new DataView(filter.buffer);
	const data = new DataView(new ArrayBuffer(64));
	data.setUint32(0, number, true);
	data.setUint32(4, archWord, true);
	for (const [index, value] of values.entries()) {
		data.setBigInt64(16 + index * 8, BigInt(value), true);
	}
	let accumulator = 0;
	for (let line = 0; line < filter.length / 8; line++) {
		const value = program.getUint32(line * 8 + 4, true);
		const jump = (isTrue: boolean) => program.getUint8(line * 8 + (isTrue ? 2 : 3));
		switch (program.getUint16(line * 8, true)) {
			case 0x20:
				accumulator = data.getUint32(value, true);
				break;
			case 0x15:
				line += jump(accumulator === value);
				break;
			case 0x35:
				line += jump(accumulator >= value);
				break;
			case 0x45:
				line += jump((accumulator & value) !== 0);
				break;
			case 0x06:
				return value;
			default:
				throw new Error('an instruction that the filter does not use');
		}
	}
	throw new Error('the program ends without an answer');
}

function call(name: SystemCallName, machine: Machine): number {
	const number = systemCallNumber(name, machine);
	if (number === undefined) throw new Error(name);
	return number;
}

for (const machine of ['x64', 'arm64'] as const) {
	const answer = (name: SystemCallName, values: number[] = [], isStrict = false) =>
		decide(machine, isStrict, call(name, machine), values);

	test(`${machine}: serving goes on`, t => {
		for (const name of ['read', 'write', 'pwrite64', 'futex', 'fdatasync', 'exit_group'] as const) {
			t.is(answer(name), allowed, name);
		}
		t.is(answer('mmap', [0, 4096, 3, 0x22, -1, 0]), allowed);
		t.is(answer('newfstatat', [4, 0, 0, 0x1000]), allowed);
		t.is(answer('fcntl', [3, 3]), allowed);
		t.is(answer('tgkill', [pid, 80, 6]), allowed);
		t.is(answer('mprotect', [0, 4096, 7]), allowed);
	});

	test(`${machine}: everything else is refused, but for what is listed`, t => {
		const open: number[] = [];
		for (let number = 0; number < 600; number++) {
			if (decide(machine, true, number) === allowed) open.push(number);
		}
		const named = systemCallNames.filter(name => {
			const number = systemCallNumber(name, machine);
			return number !== undefined && open.includes(number);
		});
		t.is(named.length, open.length, 'each that is open has a name');
		const never = ['openat', 'socket', 'clone', 'clone3', 'execve', 'kill', 'ptrace', 'ioctl'];
		t.deepEqual(
			named.filter(name => never.includes(name)),
			[],
		);
	});

	test(`${machine}: by argument`, t => {
		t.is(answer('mmap', [0, 4096, 7, 0x22, -1, 0]), refused);
		t.is(answer('mmap', [0, 4096, 1, 2, 4, 0]), refused);
		t.is(answer('newfstatat', [-100, 0, 0, 0]), refused);
		t.is(
			answer('mmap', [0, 4096, 3, 0x21, -1, 0]),
			refused,
			'shared: RLIMIT_DATA does not count it',
		);
		t.is(answer('mmap', [0, 4096, 3, 0x122, -1, 0]), refused, 'a stack: nor this');
		t.is(answer('fcntl', [3, 0]), refused);
		t.is(answer('fcntl', [3, 4, 0x800]), allowed);
		t.is(answer('fcntl', [2, 4, 0x2002]), refused, 'O_ASYNC');
		t.is(answer('fcntl', [2, 8, 1]), refused, 'F_SETOWN');
		t.is(answer('tgkill', [pid, 80, 9]), refused);
		t.is(answer('tgkill', [78, 80, 6]), refused);
		t.is(answer('mprotect', [0, 4096, 7], true), refused);
		t.is(answer('pkey_mprotect', [0, 4096, 5], true), refused);
		t.is(answer('mprotect', [0, 4096, 3], true), allowed);
	});

	test(`${machine}: ioctls on /dev/fuse alone, and those alone that were granted`, t => {
		const {openDevice, setNoFs} = v7.ioctls;
		const ioctl = (values: number[], granted: readonly number[] = [openDevice, setNoFs]) =>
			decide(machine, false, call('ioctl', machine), values, arch[machine], granted);
		t.is(ioctl([3, openDevice]), allowed);
		t.is(ioctl([3, setNoFs]), allowed);
		t.is(ioctl([4, openDevice]), refused, 'on the image');
		t.is(ioctl([3, 0xe565]), refused, 'ADD_IOMAP is the helper’s');
		t.is(ioctl([3, 0x8004_e500]), refused, 'FUSE_DEV_IOC_CLONE');
		t.is(ioctl([4, 0x4c01]), refused, 'LOOP_CLR_FD');
		t.is(ioctl([3, setNoFs], [openDevice]), refused);
		for (const number of [openDevice, setNoFs]) t.is(ioctl([3, number], []), refused);
	});

	test(`${machine}: on the image those alone that it takes`, t => {
		const ioctl = (values: number[], image: readonly number[] = [discardIoctl]) =>
			decide(machine, false, call('ioctl', machine), values, arch[machine], [7], image);
		t.is(ioctl([4, discardIoctl]), allowed);
		t.is(ioctl([4, discardIoctl], []), refused, 'a file, or a mount that only reads');
		t.is(ioctl([4, 0x127d]), refused, 'BLKSECDISCARD');
		t.is(ioctl([4, 0x4c01]), refused, 'LOOP_CLR_FD');
		t.is(ioctl([4, 7]), refused);
		t.is(ioctl([3, 7]), allowed);
		for (const descriptor of [0, 1, 2, 3, 5, 100]) {
			t.is(ioctl([descriptor, discardIoctl]), refused, `${descriptor}`);
		}
	});

	test(`${machine}: another machine's calls end the process, x32's are refused`, t => {
		t.is(decide(machine, false, 0, [], 0x4000_0003), killed);
		t.is(decide(machine, false, 0x4000_0000 + call('read', machine)), refused);
	});
}

/** The numbers that a header defines, by name. */
function numbersIn(header: string, flags: readonly string[]): Map<string, number> {
	const text = execFileSync(
		'cc',
		[...flags, '-dM', '-E', '-include', header, '-x', 'c', '/dev/null'],
		{
			encoding: 'utf8',
		},
	);
	const found = new Map<string, number>();
	for (const [, name = '', value] of text.matchAll(/^#define __NR(?:3264)?_(\w+) (\d+)$/gm)) {
		found.set(name, Number(value));
	}
	return found;
}

const headers = {
	x64: {file: 'asm/unistd_64.h', flags: []},
	arm64: {
		file: 'asm-generic/unistd.h',
		flags: ['-D__ARCH_WANT_NEW_STAT', '-D__BITS_PER_LONG=64', '-D__ARCH_WANT_RENAMEAT'],
	},
} as const;

for (const machine of ['x64', 'arm64'] as const) {
	const {file, flags} = headers[machine];
	const tried = spawnSync('cc', [...flags, '-E', '-include', file, '-x', 'c', '/dev/null']);
	// Of that name arm64 has a header as well, with numbers of its own.
	const isForeign = machine === 'x64' && process.arch !== 'x64';
	const whyNot = tried.status === 0 && !isForeign ? null : `no ${file} of ${machine}`;
	testUnless(whyNot, `${machine}: numbers as in ${file}`, t => {
		const known = numbersIn(file, flags);
		let compared = 0;
		for (const name of systemCallNames) {
			// The generic header has one name for both sizes of a word.
			const generic = name === 'newfstatat' ? 'fstatat' : name;
			const expected = known.get(name) ?? (machine === 'arm64' ? known.get(generic) : undefined);
			if (expected === undefined) continue;
			t.is(systemCallNumber(name, machine), expected, name);
			compared++;
		}
		t.true(compared > 60, `${compared} compared`);
	});
}

/** Calls that newer ones have made needless: arm64, being younger, has only those. */
const successors = new Map<SystemCallName, SystemCallName>([
	['open', 'openat'],
	['poll', 'ppoll'],
	['fork', 'clone'],
	['vfork', 'clone'],
	['epoll_wait', 'epoll_pwait'],
]);

test('each call has a number on both machines, but for those that arm64 never had', t => {
	for (const name of systemCallNames) {
		t.not(systemCallNumber(name, 'x64'), undefined, name);
		const onArm = systemCallNumber(name, 'arm64');
		if (successors.has(name)) t.is(onArm, undefined, name);
		else t.not(onArm, undefined, name);
	}
	for (const machine of ['x64', 'arm64'] as const) {
		const all = systemCallNames.map(name => systemCallNumber(name, machine));
		const numbers = all.filter(number => number !== undefined);
		t.is(new Set(numbers).size, numbers.length, `${machine}: no number has two names`);
	}
});

test('what x86-64 allows, arm64 allows under the name that it has there', t => {
	for (const name of systemCallNames) {
		const there = successors.get(name) ?? name;
		// By number alone: what a rule says of arguments is tested above.
		const answers = [
			decide('x64', true, call(name, 'x64')),
			decide('arm64', true, call(there, 'arm64')),
		];
		t.is(answers[0], answers[1], `${name}, ${there}`);
	}
});

test("the helper's report", t => {
	const text = 'wanted\tnormal\nrequired\toff\nroot\tyes\t3 files\nlandlock\tno\tno: such thing\n';
	t.deepEqual(parseHelperReport(text), {
		wanted: 'normal',
		required: 'off',
		layers: [
			{name: 'root', isActive: true, detail: '3 files'},
			{name: 'landlock', isActive: false, detail: 'no: such thing'},
		],
	});
	// Never taken for "off": that must be said.
	for (const wrong of [undefined, '', 'wanted\tmore\nrequired\toff\n', `${text}x\tperhaps\ty\n`]) {
		t.throws(() => parseHelperReport(wrong), {instanceOf: TypeError});
	}
});
