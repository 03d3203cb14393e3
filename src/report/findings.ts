/** What the checker finds, as the page tells it. */
import {check} from '../../ext4/check/check.ts';
import type {Finding, FindingPlace} from '../../ext4/check/finding.ts';
import {firstBlockOfGroup} from '../../ext4/groups.ts';
import type {Volume} from '../../ext4/index.ts';
import type {OpenedImage} from '../../images/index.ts';
import {messageText, placeText} from '../check/place-text.ts';
import {replayText, verdictText} from '../check/verdict.ts';
import {Problems} from './problems.ts';
import type {FindingRow, FindingsPart} from './sections.ts';

/** Rows of the page's table; the rest is counted. */
const rowsMax = 1000;

function sentence(text: string): string {
	return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** The block to mark: the finding's own, or that of its inode, or the first of its group. */
function blockOf(volume: Volume | undefined, place: FindingPlace): number | undefined {
	if (place.block !== undefined || volume === undefined) return place.block;
	const {inodesPerGroup, inodeSize, blockSize, inodeCount, groupCount} = volume.geometry;
	const inode = place.inode ?? place.directory;
	if (inode !== undefined && inode >= 1 && inode <= inodeCount) {
		const ignored = new Problems(); // A descriptor that is broken is told by the checker itself.
		const group = ignored.attempt(() => volume.group(Math.floor((inode - 1) / inodesPerGroup)));
		const position = ((inode - 1) % inodesPerGroup) * inodeSize;
		return group === undefined ? undefined : group.inodeTable + Math.floor(position / blockSize);
	}
	if (place.group === undefined || place.group >= groupCount) return undefined;
	return firstBlockOfGroup(volume.superblock, place.group);
}

function rowOf(finding: Finding, volume: Volume | undefined): FindingRow {
	const {severity, code, place} = finding;
	return {
		severity,
		code,
		message: messageText(finding),
		place: placeText(finding) || 'the file system',
		block: blockOf(volume, place),
	};
}

/**
 * Checks the whole image; its findings come with it, errors first. `volume` tells where an inode
 * lies, where one could be opened.
 */
export function gatherFindings(
	image: OpenedImage,
	volume: Volume | undefined,
	isInUse: boolean,
): FindingsPart {
	const rows: FindingRow[] = [];
	const findings = check(image.device, {maxFindings: rowsMax});
	let step = findings.next();
	let toldCount = 0;
	for (; step.done !== true; step = findings.next()) {
		rows.push(rowOf(step.value, volume));
		toldCount += step.value.count;
	}
	const summary = step.value;
	let count = 0;
	for (const each of summary.codes.values()) count += each;
	const order = {error: 0, warning: 1, note: 2} as const;
	rows.sort((a, b) => order[a.severity] - order[b.severity]);
	const parts = [sentence(verdictText(summary)), ...summary.givenUp.map(({why}) => sentence(why))];
	const replay = replayText(summary, isInUse);
	if (replay !== undefined) parts.push(sentence(replay));
	return {rows, restCount: count - toldCount, summary: parts.join(' ')};
}
