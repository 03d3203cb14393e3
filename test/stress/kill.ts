/**
 * The server is killed at a random moment under load, again and again. Each time the mount must be
 * gone soon, the image must recover clean, by e2fsck and by us, and what fsync acknowledged must be
 * there.
 */
import {copyFileSync, existsSync, readdirSync, readFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {inodeFlags, lookup, readInlineData, Volume} from '../../ext4/index.ts';
import {openRaw} from '../../images/raw.ts';
import {Mapper, readRange} from '../../iomap/index.ts';
import {type Fact, factsOf} from './facts.ts';
import {StressPlace} from './place.ts';
import {run, start} from './program.ts';

export type KillOptions = {
	readonly mkfs: readonly string[];
	readonly count: number;
	readonly seed: number;
};

function problemOf(volume: Volume, mapper: Mapper, name: string, fact: Fact): string | undefined {
	if (fact === 'open') return undefined;
	const found = lookup(volume, volume.readInode(2), Buffer.from(name));
	if (fact === 'gone') return found === undefined ? undefined : 'is there, and was removed';
	if (found === undefined) return 'is not there';
	const inode = volume.readInode(found.inode);
	if (inode.sizeBytes !== fact.length) return `has ${inode.sizeBytes} bytes, not ${fact.length}`;
	const bytes = new Uint8Array(fact.length);
	if ((inode.flags & inodeFlags.inlineData) !== 0) bytes.set(readInlineData(volume, inode));
	else readRange(mapper, inode, 0, bytes);
	return bytes.every(byte => byte === fact.byte) ? undefined : 'has other bytes';
}

/** Throws where an acknowledged fact does not hold in the image. */
function assertFacts(image: string, facts: ReadonlyMap<string, Fact>): void {
	using device = openRaw(image);
	const volume = Volume.open(device);
	const mapper = new Mapper(volume);
	for (const [name, fact] of facts) {
		const problem = problemOf(volume, mapper, name, fact);
		if (problem !== undefined) throw new Error(`${name} ${problem}`);
	}
}

/** The server of the mount on `root`: the process whose descriptor 4 is the image. */
function serverOf(image: string): number | undefined {
	for (const entry of readdirSync('/proc')) {
		if (!/^\d+$/.test(entry)) continue;
		try {
			const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
			if (!command.includes('server-main')) continue;
			if (command.includes(image)) return Number(entry);
		} catch (error) {
			if (!['ENOENT', 'ESRCH', 'EACCES'].includes(String((error as {code?: unknown}).code)))
				throw error;
		}
	}
	return undefined;
}

function assertRecovers(image: string, facts: ReadonlyMap<string, Fact>): void {
	assertFacts(image, facts); // By our replay, in memory.
	const copy = `${image}.recovered`;
	copyFileSync(image, copy);
	const replayed = run('e2fsck', '-p', '-E', 'journal_only', copy);
	const checked = run('e2fsck', '-fn', copy);
	// What is linkless still waits for the next mount to free it; that alone e2fsck may mend.
	if (checked.status !== 0) {
		const mended = run('e2fsck', '-fp', copy);
		const said = `${replayed.out}${checked.out}${mended.out}${mended.err}`;
		if (mended.status === null || mended.status > 1) throw new Error(`e2fsck:\n${said}`);
		if (run('e2fsck', '-fn', copy).status !== 0) throw new Error(`e2fsck twice:\n${said}`);
		const others = checked.out.split('\n').filter(line => isComplaint(line));
		if (others.length > 0) throw new Error(`e2fsck -fn after the replay:\n${checked.out}`);
	}
	assertFacts(copy, facts);
}

/** Lines of `e2fsck -fn` that are about something else than orphans and what follows from them. */
function isComplaint(line: string): boolean {
	return /\?\s*no$/.test(line) && !/orphan|Clear/i.test(line);
}

/** One kill. Returns how many facts were acknowledged. */
async function killOnce(mkfs: readonly string[], seed: number): Promise<number> {
	using place = new StressPlace('ext4box', mkfs, '64M');
	place.mount();
	const load = resolve(import.meta.dirname, 'fsync-load.ts');
	const [child, ended] = start(place.root, process.execPath, load, String(seed));
	await sleep(150 + ((seed * 7919) % 1500));
	const server = serverOf(place.image);
	if (server === undefined) throw new Error('the server was not found');
	process.kill(server, 'SIGKILL');
	const {out} = await ended;
	child.kill();
	for (let waited = 0; place.isMounted(); waited += 20) {
		if (waited > 5000) throw new Error('the mount is still there 5 s after its server was killed');
		await sleep(20);
	}
	const facts = factsOf(out);
	assertRecovers(place.image, facts);
	place.mount();
	place.unmount();
	place.assertClean();
	assertFacts(place.image, facts);
	if (existsSync(join(place.root, 'file-0'))) throw new Error('something is still mounted');
	return facts.size;
}

export async function runKills(options: KillOptions, say: (line: string) => void): Promise<void> {
	for (let index = 0; index < options.count; index++) {
		const seed = options.seed + index;
		try {
			const facts = await killOnce(options.mkfs, seed);
			say(`kill ${index + 1} of ${options.count}, seed ${seed}: ${facts} facts held`);
		} catch (error) {
			throw new Error(`kill with seed ${seed}`, {cause: error});
		}
	}
}
