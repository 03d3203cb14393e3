/** What is under way when the power fails. Small, so that every moment of it can be judged. */
import type {Random} from '../fuzz/random.ts';
import type {WorkClient} from './client.ts';

export type Workload = (client: WorkClient, random: Random, hasExtents: boolean) => void;

function bytes(random: Random, length: number): Uint8Array {
	const value = 1 + random.below(255);
	return new Uint8Array(length).fill(value);
}

const punchHole = 0x03; // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
const zeroRange = 0x10;
const keepSize = 0x01;

export const workloads: {readonly [name: string]: Workload} = {
	/** As tar unpacks: directories, files, links, and once in a while nobody waits for it. */
	untar(client, random) {
		for (let folder = 0; folder < 4; folder++) {
			client.mkdir(`/d${folder}`);
			for (let file = 0; file < 12; file++) {
				const path = `/d${folder}/a-file-of-some-name-${file}`;
				client.create(path);
				client.write(path, 0, bytes(random, 1 + random.below(6000)));
			}
			client.symlink('x'.repeat(10 + folder * 40), `/d${folder}/symlink`);
			client.link(`/d${folder}/a-file-of-some-name-0`, `/d${folder}/hard`);
			if (folder === 2) client.sync();
		}
	},

	/** As editors save: a new file, fsync, a rename over the old one. */
	renames(client, random) {
		client.mkdir('/a');
		client.mkdir('/b');
		for (let file = 0; file < 6; file++) client.create(`/a/f${file}`);
		client.sync();
		for (let round = 0; round < 24; round++) {
			const file = random.below(6);
			client.create('/b/new');
			client.write('/b/new', 0, bytes(random, 1 + random.below(3000)));
			if (round % 4 === 0) client.sync();
			client.rename('/b/new', `/a/f${file}`);
			if (round % 6 === 5) client.rename(`/a/f${file}`, `/a/f${(file + 1) % 6}`, 'exchange');
			if (round % 8 === 7) {
				client.mkdir(`/b/sub${round}`);
				client.rename(`/b/sub${round}`, `/a/sub${round}`);
			}
		}
	},

	/** Names and inodes come and go, and space is used again. */
	churn(client, random) {
		client.mkdir('/c');
		const there: string[] = [];
		for (let round = 0; round < 110; round++) {
			if (there.length < 8 || random.chance(0.5)) {
				const path = `/c/file-${round}`;
				client.create(path);
				client.write(path, 0, bytes(random, 1 + random.below(9000)));
				there.push(path);
			} else {
				client.unlink(there.splice(random.below(there.length), 1)[0] ?? '');
			}
			if (round % 37 === 36) client.sync();
		}
	},

	/** A log, or a database's: each record is waited for. */
	appends(client, random) {
		client.create('/log');
		let length = 0;
		for (let round = 0; round < 30; round++) {
			const record = bytes(random, 100 + random.below(3000));
			client.write('/log', length, record);
			length += record.length;
			client.sync();
			if (round % 10 === 9) client.write('/log', random.below(length - 200), bytes(random, 150));
		}
	},

	/** Space taken, given back, cut and zeroed. */
	space(client, random, hasExtents) {
		client.create('/sparse');
		if (hasExtents) client.allocate('/sparse', 0, 0, 200_000);
		for (let round = 0; round < 24; round++) {
			const at = random.below(190) * 1024;
			const length = (1 + random.below(20)) * 1024;
			// A map of blocks knows no space that was not written.
			const kind = hasExtents ? random.below(5) : random.pick([0, 3, 4]);
			if (kind === 0) client.allocate('/sparse', punchHole, at, length);
			else if (kind === 1) client.allocate('/sparse', zeroRange, at, length);
			else if (kind === 2) client.allocate('/sparse', keepSize, at + 100_000, length);
			else if (kind === 3) client.truncate('/sparse', at + random.below(1024));
			else client.write('/sparse', at, bytes(random, 1 + random.below(length)));
			if (round % 7 === 6) client.sync();
		}
	},

	/** Attributes in the inode, in blocks, shared and not. */
	attributes(client, random) {
		const files = ['/x1', '/x2', '/x3', '/x4'];
		for (const file of files) client.create(file);
		for (let round = 0; round < 40; round++) {
			const file = random.pick(files);
			const name = `user.name${random.below(4)}`;
			const long = random.chance(0.4);
			client.setXattr(file, name, bytes(random, long ? 100 + random.below(80) : 20));
			if (round % 5 === 4) {
				for (const each of files) client.setXattr(each, 'user.same', new Uint8Array(150).fill(7));
			}
			if (round % 9 === 8) client.removeXattr(file, name);
			if (round % 11 === 10) client.sync();
		}
	},

	/** A directory grows into a tree, splits, and empties again. */
	directory(client, random) {
		client.mkdir('/big');
		const name = (index: number) => `/big/${String(index).padStart(4, '0')}-${'n'.repeat(120)}`;
		for (let index = 0; index < 90; index++) {
			client.create(name(index));
			if (index % 40 === 39) client.sync();
		}
		for (let index = 0; index < 90; index++) if (random.chance(0.5)) client.unlink(name(index));
	},

	/** Files without a name that somebody still has open. */
	orphans(client, random) {
		for (let round = 0; round < 20; round++) {
			const path = `/o${round}`;
			client.create(path);
			client.write(path, 0, bytes(random, 20_000 + random.below(30_000)));
			if (round % 3 === 0) client.sync();
			if (round % 2 === 0) client.unlink(path, true);
			else client.truncate(path, random.below(2000));
			if (round % 7 === 6) client.release();
		}
	},

	/** Everything goes home and the log is used again, round its end. */
	checkpoints(client, random) {
		client.mkdir('/k');
		for (let round = 0; round < 30; round++) {
			const path = `/k/${round % 9}`;
			if (round >= 9) client.unlink(path);
			client.create(path);
			client.write(path, 0, bytes(random, 3000));
			if (round % 5 === 4) client.checkpoint();
			else if (round % 2 === 0) client.sync();
		}
		client.close();
	},
};

/** mke2fs's arguments and size, by name. */
export const formats: {readonly [name: string]: {readonly mkfs: string[]; readonly size: string}} =
	{
		ext4: {mkfs: ['-t', 'ext4', '-b', '1024', '-J', 'size=1'], size: '6M'},
		'ext4-4k': {mkfs: ['-t', 'ext4', '-b', '4096', '-J', 'size=4'], size: '12M'},
		ext3: {mkfs: ['-t', 'ext3', '-b', '1024', '-J', 'size=1'], size: '6M'},
		'no-csum': {
			mkfs: ['-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,^64bit', '-J', 'size=1'],
			size: '6M',
		},
		inline: {
			mkfs: ['-t', 'ext4', '-b', '1024', '-O', 'inline_data', '-I', '256', '-J', 'size=1'],
			size: '6M',
		},
		bigalloc: {
			mkfs: ['-t', 'ext4', '-b', '1024', '-O', 'bigalloc', '-C', '4096', '-J', 'size=1'],
			size: '8M',
		},
		quota: {
			mkfs: ['-t', 'ext4', '-b', '1024', '-O', 'quota,project', '-I', '256', '-J', 'size=1'],
			size: '6M',
		},
		orphan_file: {
			mkfs: ['-t', 'ext4', '-b', '1024', '-O', 'orphan_file', '-J', 'size=1'],
			size: '6M',
		},
	};

/** What the kernel here mounts. */
export const kernelFormats = new Set([
	'ext4',
	'ext4-4k',
	'ext3',
	'no-csum',
	'inline',
	'bigalloc',
	'orphan_file',
]);
