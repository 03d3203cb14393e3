import {closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

const sizeMax = 400_000;
const steps = 600;

export const test = xfstest({
	title: 'Whatever is written, cut, punched, zeroed and mapped, a file reads as its model says',
	groups: ['auto', 'quick', 'rw'],
	needs: ['punch-hole', 'zero-range', 'shared-mapping'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024']},
	run(t) {
		const {punchHole, keepSize, zeroRange} = calls.allocate;
		for (const seed of [1, 2, 3]) {
			const random = t.rng(seed * 35);
			const name = t.path(`file-${seed}`);
			let file = openSync(name, 'w+');
			let model = Buffer.alloc(0);
			const resize = (size: number) => {
				const next = Buffer.alloc(size);
				model.copy(next, 0, 0, Math.min(size, model.length));
				model = next;
			};
			const range = () => {
				const from = random.below(sizeMax);
				return [from, Math.min(1 + random.below(30_000), sizeMax - from)] as const;
			};
			const operations = {
				write: () => {
					const [from, length] = range();
					const bytes = Buffer.alloc(length, 1 + random.below(255));
					calls.pwrite(file, bytes, from);
					if (from + length > model.length) resize(from + length);
					bytes.copy(model, from);
				},
				truncate: () => {
					const size = random.below(sizeMax);
					ftruncateSync(file, size);
					resize(size);
				},
				punch: () => {
					const [from, length] = range();
					calls.fallocate(file, punchHole | keepSize, from, length);
					model.fill(0, Math.min(from, model.length), Math.min(from + length, model.length));
				},
				zero: () => {
					const [from, length] = range();
					const keeps = random.chance(0.5);
					calls.fallocate(file, zeroRange | (keeps ? keepSize : 0), from, length);
					if (!keeps && from + length > model.length) resize(from + length);
					model.fill(0, Math.min(from, model.length), Math.min(from + length, model.length));
				},
				allocate: () => {
					const [from, length] = range();
					const keeps = random.chance(0.5);
					calls.fallocate(file, keeps ? keepSize : 0, from, length);
					if (!keeps && from + length > model.length) resize(from + length);
				},
				map: () => {
					if (model.length === 0) return;
					using mapping = calls.mmap(file, 0, model.length);
					const from = random.below(model.length);
					const to = Math.min(model.length, from + random.below(20_000));
					const byte = 1 + random.below(255);
					mapping.bytes.fill(byte, from, to);
					model.fill(byte, from, to);
				},
				sync: () => fsyncSync(file),
				reopen: () => {
					closeSync(file);
					file = openSync(name, 'r+');
				},
				drop: () => {
					fsyncSync(file);
					calls.dropPages(file);
				},
			};
			const weights = {
				write: 8,
				truncate: 2,
				punch: 3,
				zero: 3,
				allocate: 2,
				map: 3,
				sync: 1,
				reopen: 1,
				drop: 1,
			};
			const wrong: string[] = [];
			for (let step = 0; step < steps && wrong.length === 0; step++) {
				const operation = random.weighted(weights);
				operations[operation]();
				t.full(step, operation, model.length);
				const [from, length] = range();
				const into = Buffer.alloc(length);
				const count = calls.pread(file, into, from);
				const expected = model.subarray(from, from + length);
				if (count !== expected.length || !into.subarray(0, count).equals(expected)) {
					wrong.push(`step ${step}, ${operation}: ${from} for ${length}`);
				}
				if (fstatSync(file).size !== model.length) wrong.push(`step ${step}: its size`);
			}
			t.verdict(`seed ${seed}`, wrong);
			closeSync(file);
			t.remount();
			t.print(`mounted again: ${readFileSync(name).equals(model)}`);
		}
	},
});
