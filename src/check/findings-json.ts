/** Findings and summary as JSON; docs/check.schema.json has their shapes. */
import type {CheckSummary} from '../../ext4/check/check.ts';
import type {Finding, FindingValue} from '../../ext4/check/finding.ts';
import {jsonBytes} from '../output.ts';
import type {CheckedImage} from './checked-image.ts';
import {messageText, pathBytes} from './place-text.ts';
import {repairOf, statusOf, verdictOf} from './verdict.ts';

function value(of: FindingValue): number | string | null {
	return of ?? null;
}

export function findingJson(finding: Finding) {
	const {code, severity, pass, place, found, expected, count, ranges, e2fsck} = finding;
	const {path, ...numbers} = place;
	return {
		code,
		severity,
		pass,
		message: messageText(finding),
		place: {...numbers, ...(path === undefined ? {} : jsonBytes('path', pathBytes(path)))},
		found: value(found),
		expected: value(expected),
		count,
		ranges: ranges ?? null,
		e2fsck,
	};
}

export function summaryJson(summary: CheckSummary, image: CheckedImage) {
	const {outcome, reason, advice, severities, codes, volume, givenUp, replayed} = summary;
	return {
		verdict: verdictOf(summary),
		exitStatus: statusOf(summary),
		outcome,
		reason: reason ?? null,
		advice: advice ?? null,
		findingCounts: severities,
		codeCounts: Object.fromEntries(codes),
		volume: volume ?? null,
		notFinished: givenUp,
		replayed: replayed ?? null,
		memoryBytes: summary.memoryBytes,
		repair: repairOf(summary, image) ?? null,
	};
}

export function imageJson({path, offsetBytes, partition}: CheckedImage) {
	return {...jsonBytes('path', path), offsetBytes, partition: partition ?? null};
}
