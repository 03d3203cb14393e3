/** e2fsck as the judge of a whole image: its exit status, and what it found, by its own numbers. */
import {spawnSync} from 'node:child_process';
import {existsSync, readFileSync, rmSync} from 'node:fs';

const env = {
	...process.env,
	PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
	LC_ALL: 'C',
	// Some of its questions depend on whether times lie in the future.
	E2FSCK_CONFIG: '/dev/null',
};

export const hasE2fsck = spawnSync('e2fsck', ['-V'], {env}).error === undefined;

/** A problem of its log: the number that e2fsck gives the kind, and where the first one is. */
export type E2fsckProblem = {
	readonly code: number;
	readonly inode: number | undefined;
	readonly block: number | undefined;
	readonly group: number | undefined;
};

export type E2fsckVerdict = {
	/** Undefined where it did not end in time, ended by a signal, or failed over itself. */
	readonly exit: number | undefined;
	readonly problems: readonly E2fsckProblem[];
	readonly output: string;
};

/** 0 nothing wrong, 4 something is wrong, 8 it could not be checked. */
export type Verdict = 0 | 4 | 8;

/** Both bits are set where it found something and then gave up: it found something. */
export function verdictOf(exit: number): Verdict {
	if ((exit & 4) !== 0) return 4;
	return (exit & 8) !== 0 ? 8 : 0;
}

/** Some images keep it busy for hours; of the clock, as it may wait as well as work. */
const secondsMax = 30;

// To SIGTERM it listens only between one inode and the next.
const limits = {timeout: secondsMax * 1000, killSignal: 'SIGKILL'} as const;

function numberIn(text: string, name: string): number | undefined {
	const found = new RegExp(` ${name}="([^"]*)"`).exec(text)?.[1];
	return found === undefined ? undefined : Number(found);
}

/** Runs it with its log of problems beside the image. */
function runLogged(image: string, mode: string, extended: string) {
	const log = `${image}.problems`;
	const options = {env, encoding: 'latin1', maxBuffer: 2 ** 26, ...limits} as const;
	const args = [mode, '-E', [extended, `problem_log=${log}`].filter(Boolean).join(','), image];
	const {status, stdout} = spawnSync('e2fsck', args, options);
	const text = existsSync(log) ? readFileSync(log, 'latin1') : '';
	rmSync(log, {force: true});
	const problems = [...text.matchAll(/<problem [^>]*>/g)].map(([problem]) => ({
		code: numberIn(problem, 'code') ?? 0,
		inode: numberIn(problem, 'ino'),
		block: numberIn(problem, 'blk'),
		group: numberIn(problem, 'group'),
	}));
	return {status, stdout, problems};
}

/** Checks an image and changes nothing. The image must not be one that the caller writes to meanwhile. */
export function runE2fsck(image: string): E2fsckVerdict {
	const {status, stdout, problems} = runLogged(image, '-fn', '');
	// With an error number in the journal's superblock it tries to write, and fails over its own -n.
	const isVerdict = status !== null && !stdout.includes('Error writing block');
	return {exit: isVerdict ? status : undefined, problems, output: stdout};
}

/**
 * Brings the journal home. Over one that is damaged it goes on and repairs the file system, though it
 * was told not to: then what it has repaired is its verdict. Undefined where it did no more than asked.
 */
export function replayByE2fsck(image: string): E2fsckVerdict | undefined {
	const {stdout, problems} = runLogged(image, '-fy', 'journal_only');
	const hasRepaired = problems.some(({code}) => code >= firstOfPass1);
	return hasRepaired ? {exit: 4, problems, output: stdout} : undefined;
}

/** Its numbers for problems begin with the pass; what comes before is about superblock and journal. */
const firstOfPass1 = 0x10000;

/** Repairs what it finds, as often as it takes; false where there is no end to it. */
export function repairByE2fsck(image: string): boolean {
	for (let round = 0; round < 4; round++) {
		const options = {env, stdio: 'ignore', ...limits} as const;
		const {status} = spawnSync('e2fsck', ['-fy', image], options);
		if (status === 0) return true;
	}
	return false;
}
