/** What a check comes to: its exit status, and the sentences that close it. */
import type {CheckSummary} from '../../ext4/check/check.ts';
import {printable, sizeText} from '../../images/index.ts';
import {countOf} from '../format.ts';
import {quoteName} from '../output.ts';
import type {CheckedImage} from './checked-image.ts';

/** As e2fsck has them, as far as a checker that changes nothing can have them. */
export const checkStatus = {clean: 0, findings: 4, notChecked: 8, usage: 16} as const;

export type Verdict = 'clean' | 'findings' | 'not-checked';

export function verdictOf({outcome, severities, givenUp}: CheckSummary): Verdict {
	if (outcome !== 'checked') return 'not-checked';
	if (severities.error > 0) return 'findings';
	// Nothing was found in the part that was looked at: that says little of the rest.
	return givenUp.length > 0 ? 'not-checked' : 'clean';
}

export function statusOf(summary: CheckSummary): number {
	switch (verdictOf(summary)) {
		case 'clean':
			return checkStatus.clean;
		case 'findings':
			return checkStatus.findings;
		case 'not-checked':
			return checkStatus.notChecked;
	}
}

/** A name as an argument: one that begins with a dash would be taken for an option. */
function argumentName(name: Uint8Array): string {
	return quoteName(name[0] === 0x2d ? Buffer.concat([Buffer.from('./'), name]) : name);
}

/** The command that would repair; e2fsck takes an offset as a part of the name. */
export function repairCommand(imagePath: Uint8Array, offsetBytes: number): string {
	const place = offsetBytes === 0 ? '' : `?offset=${offsetBytes}`;
	return `e2fsck -f ${argumentName(Buffer.concat([imagePath, Buffer.from(place)]))}`;
}

/** The command that would repair what was found; undefined where none would, or none may. */
export function repairOf(summary: CheckSummary, image: CheckedImage): string | undefined {
	if (verdictOf(summary) !== 'findings' || image.isInUse || isCutOff(summary)) return undefined;
	return repairCommand(image.path, image.offsetBytes);
}

function isCutOff({codes}: CheckSummary): boolean {
	return codes.has('CHECK_DEVICE_TOO_SHORT');
}

/** What is to be done about errors, in a sentence; undefined where there are none. */
export function repairText(summary: CheckSummary, image: CheckedImage): string | undefined {
	if (verdictOf(summary) !== 'findings') return undefined;
	if (image.isInUse) {
		return 'It is in use: what is half way through a change looks like damage. Check it again when it is not, before anything is repaired';
	}
	if (!isCutOff(summary)) return `To repair it, on a copy first: ${repairOf(summary, image)}`;
	const advice = "It is cut off, and e2fsck can't repair it as it is: get the whole of it";
	const {volume} = summary;
	// What cuts a partition off may be the table, and behind it may lie another.
	if (volume === undefined || image.partition !== undefined) return advice;
	const bytes = image.offsetBytes + volume.blockCount * volume.blockSize;
	const name = argumentName(image.path);
	return `${advice}. Where that is lost, give a copy its size back, and repair what is left: truncate -s ${bytes} ${name} && ${repairCommand(image.path, image.offsetBytes)}`;
}

function countsText({severities}: CheckSummary): string {
	const parts = [countOf(severities.error, 'error')];
	if (severities.warning > 0) parts.push(countOf(severities.warning, 'warning'));
	if (severities.note > 0) parts.push(countOf(severities.note, 'note'));
	return parts.join(', ');
}

/**
 * As e2fsck's last line: `11/1024 files (0.0% non-contiguous), 1167/4096 blocks`. It counts what the
 * bitmaps have as used: all reserved inodes too, and quota files and the file of orphans.
 */
export function usageText({volume, memoryBytes}: CheckSummary): string | undefined {
	if (volume === undefined) return undefined;
	const {totals, inodeCount, usedInodeCount, usedBlockCount, blockCount} = volume;
	const fragmented = totals.fragmentedFiles + totals.fragmentedDirectories;
	const share = ((fragmented / usedInodeCount) * 100).toFixed(1);
	return `${usedInodeCount}/${inodeCount} files (${share}% non-contiguous), ${usedBlockCount}/${blockCount} blocks; ${sizeText(memoryBytes)} of tables in memory`;
}

export function verdictText(summary: CheckSummary): string {
	switch (verdictOf(summary)) {
		case 'clean': {
			const more = summary.severities.warning + summary.severities.note > 0;
			return more ? `clean (${countsText(summary)})` : 'clean';
		}
		case 'findings':
			return `${countsText(summary)}; nothing was changed`;
		case 'not-checked':
			if (summary.outcome === 'checked') return 'no errors in the part that could be checked';
			return `could not be checked: ${printable(summary.reason ?? 'no reason is known')}`;
	}
}

/**
 * What the journal holds; undefined where it was brought home. Of an image in use that is nothing to
 * mend, and whoever mended it under its user's hands would damage it: no command is told then.
 */
export function replayText(
	{replayed}: Pick<CheckSummary, 'replayed'>,
	isInUse: boolean,
): string | undefined {
	if (replayed === undefined) return undefined;
	const {transactions, blocks, fastCommits} = replayed;
	const held: string[] = [];
	if (transactions > 0) {
		held.push(`${countOf(transactions, 'transaction')} (${countOf(blocks, 'block')})`);
	}
	if (fastCommits > 0) held.push(countOf(fastCommits, 'fast commit'));
	if (held.length === 0) {
		if (isInUse) return undefined;
		return 'it was not unmounted, but its journal holds nothing that is yet to be brought home';
	}
	const what = `the journal holds ${held.join(' and ')} yet to be brought home`;
	const then = 'what was checked is the file system as it is then';
	if (isInUse) return `${what}, which is to be expected of an image in use; ${then}`;
	const isOne = transactions + fastCommits === 1;
	return `${what}, as after a crash; ${then}. Mounting it, or "e2fsck -p", brings ${isOne ? 'it' : 'them'} home`;
}
