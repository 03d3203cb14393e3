import {
	closeSync,
	lstatSync,
	mkdirSync,
	openSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

const times = [
	[0, 0],
	[1, 1],
	[-1, 999_999_999],
	[-2_147_483_648, 0],
	[-2_147_483_649, 5],
	[2_147_483_647, 999_999_999],
	[2_147_483_648, 1],
	[4_294_967_295, 123_456_789],
	[4_294_967_296, 0],
	[6_442_450_943, 999_999_999],
	[6_442_450_944, 0],
	[15_032_385_535, 999_999_999],
	[15_032_385_536, 0],
	[1_000_000_000_000, 0],
] as const;

export const test = xfstest({
	title: 'Times keep their nanoseconds from 1901 to 2446, and are held within',
	groups: ['auto', 'quick', 'metadata'],
	run(t) {
		mkdirSync(t.path('folder'));
		symlinkSync('nowhere', t.path('link'));
		const path = (index: number) => t.path(`file-${index}`);
		const text = (time: bigint) => {
			const seconds = time / 1_000_000_000n - (time < 0n && time % 1_000_000_000n !== 0n ? 1n : 0n);
			return `${seconds}.${String(time - seconds * 1_000_000_000n).padStart(9, '0')}`;
		};
		const show = (name: string) => {
			const {mtimeNs, atimeNs} = lstatSync(name, {bigint: true});
			return `${text(atimeNs)} ${text(mtimeNs)}`;
		};
		for (const [index, [seconds, nanoseconds]] of times.entries()) {
			writeFileSync(path(index), '');
			t.attempt(`${seconds}.${nanoseconds}`, () => {
				calls.setTimes(path(index), {seconds, nanoseconds}, {seconds, nanoseconds});
				// The times of change of a file that FUSE keeps itself are held within once they are read anew.
				return show(path(index)).split(' ')[0];
			});
		}
		for (const name of ['folder', 'link']) {
			const time = {seconds: 3_000_000_000, nanoseconds: 42};
			calls.setTimes(t.path(name), time, {seconds: -77, nanoseconds: 7});
			t.print(`${name}: ${show(t.path(name))}`);
		}
		const bad = {seconds: 1, nanoseconds: 1_000_000_000};
		t.attempt('a second of nanoseconds', () => calls.setTimes(path(0), bad, bad));
		t.remount('noatime');
		for (const index of times.keys()) t.print(`mounted again: ${show(path(index))}`);
		for (const name of ['folder', 'link']) t.print(`${name}: ${show(t.path(name))}`);
		// When it was made is not for others to say.
		const before = BigInt(Date.now() - 1000) * 1_000_000n;
		closeSync(openSync(t.path('made'), 'w'));
		const made = statSync(t.path('made'), {bigint: true}).birthtimeNs;
		calls.setTimes(t.path('made'), {seconds: 5, nanoseconds: 5}, {seconds: 6, nanoseconds: 6});
		const {birthtimeNs, ctimeNs} = statSync(t.path('made'), {bigint: true});
		t.print(`made now: ${made > before}, and stays so: ${birthtimeNs === made}`);
		t.print(`changed now: ${ctimeNs > before}`);
		t.remount();
		t.print(`still: ${statSync(t.path('made'), {bigint: true}).birthtimeNs === made}`);
	},
});
