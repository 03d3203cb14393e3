/** One seed judged twice: by e2fsck and by us. */
import {rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {incompatFeatures} from '../../../ext4/layout/features.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {replayByE2fsck, runE2fsck, type Verdict, verdictOf} from '../e2fsck.ts';
import {runOurs} from '../ours.ts';
import type {CheckMutator} from './mutate.ts';

export type Judged = {
	readonly seed: number;
	readonly base: string;
	readonly story: readonly string[];
	/** Undefined where e2fsck itself crashed or did not end: no verdict to compare with. */
	readonly theirs: Verdict | undefined;
	readonly theirProblems: readonly string[];
	readonly ours: Verdict;
	readonly ourCodes: readonly string[];
	readonly milliseconds: number;
	/** What the library call threw, which it must not. */
	readonly crash: string | undefined;
};

function hasLogToReplay(bytes: Uint8Array): boolean {
	const incompat = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1024 + 0x60, true);
	return (incompat & incompatFeatures.needs_recovery) !== 0;
}

/** The name of a kind of problem: e2fsck's number of it, as its problem log writes it. */
export function problemName(code: number): string {
	return `0x${code.toString(16).padStart(6, '0')}`;
}

export function judgeSeed(mutator: CheckMutator, seed: number, folder: string): Judged {
	return mutator.with(seed, ({base, story, bytes}) => {
		const image = join(folder, `${process.pid}.img`);
		writeFileSync(image, bytes);
		// e2fsck -n does not replay; ours reads what a replay would bring.
		const repaired = hasLogToReplay(bytes) ? replayByE2fsck(image) : undefined;
		const {exit, problems} = repaired ?? runE2fsck(image);
		rmSync(image);
		const ours = runOurs(new MemoryDevice(bytes, true));
		return {
			seed,
			base,
			story,
			theirs: exit === undefined ? undefined : verdictOf(exit),
			theirProblems: [...new Set(problems.map(({code}) => problemName(code)))],
			ours: ours.verdict,
			ourCodes: [...new Set(ours.findings.map(({code}) => code))],
			milliseconds: ours.milliseconds,
			crash: ours.crash,
		};
	});
}
