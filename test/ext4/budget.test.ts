/** Requests that cost too much: found, refused, and without a trace. Oracle: e2fsck. */
import test from 'ava';
import {Budget, type BudgetLimits} from '../../ext4/budget.ts';
import {BudgetError} from '../../ext4/errors.ts';
import {forEachEntry, lookup, type Volume} from '../../ext4/index.ts';
import {createFile, rename} from '../../ext4/namespace/index.ts';
import {mke2fs, openMade} from '../support/made-volume.ts';
import {viewOf} from '../support/poke.ts';
import {missing, testUnless} from '../support/skip.ts';
import {bytesOf, dots, writeEntries} from '../support/tiny-directory.ts';
import {TinyImage} from '../support/tiny-image.ts';

const enough: BudgetLimits = {
	accesses: 2 ** 30,
	readBytes: 2 ** 40,
	cpuMilliseconds: 1e9,
	milliseconds: 1e9,
};

/** Clocks that go on by what a test says, and how often work was told of. */
class Meter {
	time = 0;
	cpu = 0;
	signs = 0;
	readonly milliseconds = () => this.time;
	readonly cpuMilliseconds = () => this.cpu;
	readonly working = () => {
		this.signs++;
	};
}

function made(limits: Partial<BudgetLimits>): {budget: Budget; meter: Meter} {
	const budget = new Budget();
	const meter = new Meter();
	budget.limit({...enough, ...limits}, meter);
	return {budget, meter};
}

function look(budget: Budget, times: number): void {
	for (let index = 0; index < times; index++) budget.access();
}

test('a budget of accesses ends a request, and the next has one of its own', t => {
	const {budget} = made({accesses: 5000});
	budget.begin();
	look(budget, 4000);
	budget.end();
	for (let request = 0; request < 3; request++) {
		budget.begin();
		look(budget, 4000);
		t.throws(() => look(budget, 2 * 1024), {instanceOf: BudgetError, code: 'EXT4_BUDGET'});
		t.throws(() => look(budget, 1), {instanceOf: BudgetError}, 'and goes on ending it');
		budget.end();
	}
	t.is(budget.counts.exceeded, 3);
	look(budget, 100_000); // Between requests there is none.
});

test('a budget of bytes ends a request', t => {
	const {budget} = made({readBytes: 10_000});
	budget.begin();
	budget.read(10_000);
	t.throws(() => budget.read(1), {instanceOf: BudgetError});
	budget.end();
	budget.read(20_000);
	t.is(budget.counts.mostReadBytes, 10_001);
});

for (const clock of ['time', 'cpu'] as const) {
	test(`a budget of ${clock} ends a request that looks at many blocks`, t => {
		const {budget, meter} = made({milliseconds: 1000, cpuMilliseconds: 1000});
		budget.begin();
		meter[clock] += 1_000_000;
		look(budget, 1000); // One that hardly does anything may wait for a slow disk.
		look(budget, 1024);
		meter[clock] += 999;
		look(budget, 1024);
		meter[clock] += 2;
		t.throws(() => look(budget, 1024), {instanceOf: BudgetError});
		budget.end();
	});
}

test('what is done for good renews the budget; a pause has none', t => {
	const {budget} = made({accesses: 3000, readBytes: 1000});
	budget.begin();
	for (let part = 0; part < 10; part++) {
		look(budget, 2000);
		budget.read(900);
		budget.renew();
	}
	budget.pause(() => {
		look(budget, 10_000);
		budget.read(10_000);
	});
	budget.end();
	t.is(budget.counts.exceeded, 0);
	t.is(budget.counts.mostAccesses, 2000);
});

test('long work is told of, limited or not', t => {
	const {budget, meter} = made({});
	look(budget, 10 * 1024);
	t.is(meter.signs, 10);
});

/** A directory of 8000 blocks, all of which are one: its map goes round in two blocks. */
function endlessDirectory(): {volume: Volume; number: number} {
	const image = new TinyImage({features: ['filetype'], blockCount: 8192});
	const number = 12;
	const [entries, singly, doubly] = [100, 101, 102];
	image.setInode(number, {i_mode: 0o40755, i_links_count: 2, i_size_lo: 8000 * 1024});
	const map = viewOf(image.blockField(number));
	for (let index = 0; index < 12; index++) map.setUint32(index * 4, entries, true);
	map.setUint32(12 * 4, singly, true);
	map.setUint32(13 * 4, doubly, true);
	for (let at = 0; at < 1024; at += 4) {
		viewOf(image.block(singly)).setUint32(at, entries, true);
		viewOf(image.block(doubly)).setUint32(at, singly, true);
	}
	writeEntries(image.block(entries), dots);
	return {volume: image.open(), number};
}

test('a directory that leads to one block for ever costs no more than the budget', t => {
	const {volume, number} = endlessDirectory();
	const {budget} = volume.cache;
	const directory = volume.readInode(number);
	budget.limit({...enough, accesses: 2000}, new Meter());
	budget.begin();
	t.throws(() => lookup(volume, directory, bytesOf('missing')), {instanceOf: BudgetError});
	budget.end();
	budget.begin();
	t.is(lookup(volume, directory, bytesOf('.'))?.inode, 2, 'what is found soon is found');
	budget.end();
	t.is(budget.counts.exceeded, 1);
	t.true(budget.counts.mostAccesses <= 2000 + 2 * 1024, String(budget.counts.mostAccesses));
	t.is(lookup(volume, directory, bytesOf('missing')), undefined, 'without a server it ends too');
});

const formats: readonly (readonly [string, readonly string[]])[] = [
	['with extents', ['-t', 'ext4', '-b', '1024', '-O', '^has_journal']],
	['with block maps', ['-t', 'ext2', '-b', '1024']],
];

const newFile = {mode: 0o644, uid: 0, gid: 0, umask: 0};

const long = (index: number) => `${index} with a long name `.padEnd(100, 'x');

for (const [format, options] of formats) {
	testUnless(
		missing('mke2fs') ?? missing('e2fsck'),
		`an operation that runs out of its budget at any point leaves nothing behind, ${format}`,
		t => {
			const bytes = mke2fs(options, '4M');
			const prepared = openMade(bytes);
			const root = () => prepared.volume.readInode(2);
			for (let index = 0; index < 150; index++) {
				const name = bytesOf(long(index));
				prepared.volume.transact(handle => createFile(handle, root(), name, newFile));
			}
			t.is(prepared.findProblems(), undefined);
			const before = namesOf(prepared.volume);
			const after = [...before.filter(one => one !== long(7)), 'new', 'renamed'].sort();
			let failures = 0;
			for (let isDone = false, blocks = 0; !isDone; blocks++) {
				// Nothing is cached: so each block more is a point further.
				const {volume, findProblems} = openMade(prepared.device.bytes.slice());
				const {budget} = volume.cache;
				budget.limit({...enough, readBytes: blocks * 1024}, new Meter());
				budget.begin();
				isDone = change(volume);
				budget.end();
				t.deepEqual(namesOf(volume), isDone ? after : before);
				t.is(findProblems(), undefined, `after ${blocks} blocks`);
				if (isDone) break;
				failures++;
				t.true(change(volume), 'and it can be done after all');
				t.is(findProblems(), undefined, `done after ${blocks} blocks`);
			}
			t.true(failures > 5, `only ${failures} points`);
		},
	);
}

function namesOf(volume: Volume): string[] {
	const names: string[] = [];
	forEachEntry(volume, volume.readInode(2), 0, (bytes, start, length) => {
		names.push(Buffer.from(bytes.subarray(start, start + length)).toString());
		return true;
	});
	return names.sort();
}

/** In one handle, so that it happens as a whole or not at all. */
function change(volume: Volume): boolean {
	try {
		volume.transact(handle => {
			const parent = volume.readInode(2);
			createFile(handle, parent, bytesOf('new'), newFile);
			rename(handle, {parent, name: bytesOf(long(7))}, {parent, name: bytesOf('renamed')});
		});
		return true;
	} catch (error) {
		if (!(error instanceof BudgetError)) throw error;
		return false;
	}
}
