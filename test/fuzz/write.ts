/**
 * Writing to mutated images: any operation on whatever they name. Nothing is known of what is right;
 * but every error is one of the image or of the caller, and no operation takes for ever.
 */
import {
	type CorruptCode,
	CorruptError,
	forEachEntry,
	isExpectedError,
	type NewFile,
} from '../../ext4/index.ts';
import {allocateModes} from '../../iomap/index.ts';
import type {MemoryDevice} from '../support/memory-device.ts';
import {Subject} from '../support/subject.ts';
import {Random} from './random.ts';

const file: NewFile = {mode: 0o644, uid: 1000, gid: 1000, umask: 0o022};
const inodesMax = 200;
const namesPerDirectory = 60;

export type WriteResult = {
	readonly done: number;
	readonly refused: number;
	readonly codes: ReadonlySet<CorruptCode>;
};

type Found = {readonly numbers: number[]; readonly places: {parent: number; name: string}[]};

/** What can be reached from the root, as far as it can be read. */
function explore(subject: Subject, attempt: (action: () => void) => void): Found {
	const numbers = new Set([2]);
	const places: {parent: number; name: string}[] = [];
	for (const parent of numbers) {
		attempt(() => {
			let count = 0;
			const directory = subject.volume.readInode(parent);
			if (directory.type !== 'directory') return;
			forEachEntry(subject.volume, directory, 0, (bytes, start, length, inode) => {
				const name = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
				places.push({parent, name});
				if (numbers.size < inodesMax) numbers.add(inode);
				return ++count < namesPerDirectory;
			});
		});
	}
	return {numbers: [...numbers], places};
}

/**
 * Does `count` operations, chosen by `seed`; then closes the volume, most of the time. Throws what
 * no image may provoke.
 */
export function writeToImage(device: MemoryDevice, seed: number, count: number): WriteResult {
	const random = new Random(seed);
	const result = {done: 0, refused: 0, codes: new Set<CorruptCode>()};
	const attempt = (action: () => void) => {
		try {
			action();
			result.done++;
		} catch (error) {
			if (!isExpectedError(error)) throw error;
			if (error instanceof CorruptError) result.codes.add(error.code);
			result.refused++;
		}
	};
	let opened: Subject | undefined;
	attempt(() => {
		opened = new Subject(device, 'continue');
	});
	if (opened === undefined) return result;
	const subject: Subject = opened;
	const {numbers, places} = explore(subject, attempt);
	const fresh = () => ({parent: random.pick(numbers), name: `new name ${random.below(20)}`});
	const known = () => (places.length > 0 && random.chance(0.9) ? random.pick(places) : fresh());
	const anyPlace = () => (random.chance(0.5) ? known() : fresh());
	const number = () => random.pick(numbers);
	const position = () => random.below(random.pick([100, 5000, 200_000, 2 ** 31]));
	const data = () => new Uint8Array(random.below(20_000) + 1).fill(seed);
	const modes = Object.values(allocateModes);
	/** Until blocks and indices of the directory have to be split. */
	const crowd = () => {
		const parent = number();
		const name = 'a name to fill blocks with '.repeat(1 + random.below(7));
		for (let index = random.below(60); index >= 0; index--) {
			subject.makeFile({parent, name: `${name}${index}`}, file);
		}
	};
	const operations: (() => void)[] = [
		crowd,
		() => void numbers.push(subject.makeFile(fresh(), file)),
		() => void numbers.push(subject.makeDirectory(fresh(), file)),
		() => void subject.symlink(fresh(), 'x'.repeat(1 + random.below(900)), file),
		() => subject.link(number(), fresh()),
		() => subject.unlink(known()),
		() => {
			const found = subject.lookup(known());
			if (found !== undefined) subject.reap(found);
		},
		() => subject.rmdir(known()),
		() => subject.rename(known(), anyPlace(), {}),
		() => subject.rename(known(), known(), {kind: 'exchange'}),
		() => void subject.tmpfile(number(), file),
		() => void subject.write(number(), position(), data()),
		() => void subject.write(number(), random.below(3000), data()),
		() => subject.truncate(number(), position()),
		() => subject.truncate(number(), 0),
		() => subject.allocate(number(), random.pick([0, 3, ...modes]), position(), 1 + position()),
		() => void subject.copy(number(), position(), number(), position(), 1 + random.below(50_000)),
		() => subject.setXattr(number(), 'user.x', data().subarray(0, random.below(3000)), 'any'),
		() => subject.removeXattr(number(), 'user.x'),
		() => subject.removeXattr(number(), 'system.posix_acl_access'),
		() => subject.setAttributes(number(), {mode: 0o600, uid: random.below(3), gid: 7}),
		() => subject.setFlags(number(), subject.flags(number())),
		() => subject.commit(),
		() => subject.checkpoint(),
	];
	for (let step = 0; step < count; step++) attempt(random.pick(operations));
	// Else it ends as if killed: what was committed is replayed by the next reader.
	if (random.chance(0.7)) attempt(() => subject.close());
	return result;
}
