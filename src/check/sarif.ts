/**
 * Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), which code hosts
 * and viewers read. A place in an image is a byte range of the artifact, and a logical location.
 */
import type {CheckSummary} from '../../ext4/check/check.ts';
import {type FindingCode, findingTable} from '../../ext4/check/codes.ts';
import type {Finding} from '../../ext4/check/finding.ts';
import type {CheckedImage} from './checked-image.ts';
import {messageText, placeText} from './place-text.ts';
import {statusOf, verdictOf} from './verdict.ts';

/** The image's path as a URI, byte for byte. */
export function uriOf(path: Uint8Array): string {
	const text = [...path]
		.map(byte => {
			const character = String.fromCharCode(byte);
			return /[A-Za-z0-9._~/-]/.test(character)
				? character
				: `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
		})
		.join('');
	return text.startsWith('/') ? `file://${text}` : text;
}

/** SARIF has no word for a file system's places: these are ours, in its list of kinds. */
function logicalLocations(finding: Finding) {
	const name = placeText(finding);
	return name === '' ? [] : [{fullyQualifiedName: name, kind: 'resource'}];
}

/** Stretches of blocks that a result has as locations. */
const locationsMax = 100;

type Region = {readonly byteOffset: number; readonly byteLength: number};

/** Bytes of the image; none where no block is known. */
function regionsOf(finding: Finding, image: CheckedImage, blockSize: number | undefined): Region[] {
	const {place, ranges} = finding;
	if (blockSize === undefined) return [];
	const regions: Region[] = [];
	const add = (block: number, byteLength: number) => {
		const byteOffset = image.offsetBytes + block * blockSize + (place.offset ?? 0);
		if (Number.isSafeInteger(byteOffset + byteLength)) regions.push({byteOffset, byteLength});
	};
	if (ranges?.of === 'block') {
		for (const [first, last] of ranges.list.slice(0, locationsMax)) {
			add(first, (last - first + 1) * blockSize);
		}
	} else if (place.block !== undefined) {
		add(place.block, place.offset === undefined ? blockSize : 1);
	}
	return regions;
}

function locationsOf(finding: Finding, parts: SarifParts) {
	const artifactLocation = {uri: uriOf(parts.image.path), index: 0};
	const regions = regionsOf(finding, parts.image, parts.summary.volume?.blockSize);
	const places = regions.length === 0 ? [{}] : regions.map(region => ({region}));
	return places.map(region => ({
		physicalLocation: {artifactLocation, ...region},
		logicalLocations: logicalLocations(finding),
	}));
}

function ruleOf(code: FindingCode) {
	const {sentence, explanation, severity, e2fsck} = findingTable[code];
	return {
		id: code,
		shortDescription: {text: sentence},
		fullDescription: {text: explanation},
		defaultConfiguration: {level: severity},
		properties: {e2fsck},
	};
}

export type SarifParts = {
	readonly version: string;
	readonly image: CheckedImage;
	readonly findings: readonly Finding[];
	readonly summary: CheckSummary;
};

export function sarifLog(parts: SarifParts) {
	const {version, image, findings, summary} = parts;
	const uri = uriOf(image.path);
	const codes = [...new Set(findings.map(({code}) => code))].sort();
	const indices = new Map(codes.map((code, index) => [code, index]));
	const results = findings.map(finding => ({
		ruleId: finding.code,
		ruleIndex: indices.get(finding.code) ?? -1,
		level: finding.severity,
		message: {text: messageText(finding)},
		occurrenceCount: finding.count,
		locations: locationsOf(finding, parts),
	}));
	const notifications = [
		...(summary.reason === undefined ? [] : [{level: 'error', text: summary.reason}]),
		...summary.givenUp.map(({pass, why}) => ({level: 'warning', text: `pass ${pass}: ${why}`})),
	];
	return {
		$schema: 'https://json.schemastore.org/sarif-2.1.0.json',
		version: '2.1.0',
		runs: [
			{
				tool: {driver: {name: 'ext4box check', version, rules: codes.map(ruleOf)}},
				artifacts: [{location: {uri}}],
				invocations: [
					{
						executionSuccessful: verdictOf(summary) !== 'not-checked',
						exitCode: statusOf(summary),
						toolExecutionNotifications: notifications.map(({level, text}) => ({
							level,
							message: {text},
						})),
					},
				],
				results,
			},
		],
	};
}
