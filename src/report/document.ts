/**
 * The page: one file, which asks for nothing else. Its policy allows the one script and the one
 * style that are in it, by their sums, and no connection, picture, frame or form at all: should a
 * name from the image ever get out of its text, the browser would run nothing of it.
 */
import {createHash} from 'node:crypto';
import {sizeText} from '../../images/index.ts';
import type {Facts} from '../volume-facts.ts';
import {type Packed, packSurvey, usualLimits} from './encode.ts';
import {html, jsonForScript, Markup} from './html.ts';
import type {PageFacts} from './page/format.ts';
import {pageScript} from './page-script.ts';
import type {Problems} from './problems.ts';
import {
	type FindingsPart,
	factsSection,
	featuresSection,
	findingsSection,
	fragmentationSections,
	listSections,
	mapSection,
	overviewSection,
	problemsSection,
} from './sections.ts';
import {pageStyle} from './style.ts';
import type {Survey} from './survey.ts';

/** The page is never larger. */
export const pageBytesMax = 3 * 2 ** 20;

/** What a report is of. */
export type Subject = {
	/** The label, or else the image's name. */
	readonly title: string;
	readonly imageName: string;
	/** When it was made, as text. */
	readonly madeAt: string;
	readonly isInUse: boolean;
};

const inUseNotice = html`<section class="notice" aria-labelledby="in-use-head"><h2 id="in-use-head">Read while it was in use</h2>
<p>What was half way through a change looks like damage here, and what has not reached the image yet is missing. Nothing should be repaired by this page.</p></section>
`;

const markedFindingsMax = 2000;

function sumOf(text: string): string {
	return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

function pageOf(subject: Subject, lead: string, body: Markup, data: Markup | undefined): string {
	const script = pageScript();
	const policy = `default-src 'none'; script-src ${sumOf(script)}; style-src ${sumOf(pageStyle)}; base-uri 'none'; form-action 'none'`;
	// Both are ours alone, and hold nothing from an image.
	return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${subject.title} · disk report</title>
<style>${new Markup(pageStyle)}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the report</a>
<header><div><h1>${subject.title}</h1><p>${lead}</p></div><button type="button" id="theme" hidden>Dark</button></header>
<main id="content">${subject.isInUse ? inUseNotice : undefined}${body}</main>
<footer><p>${subject.imageName}, read on ${subject.madeAt} by ext4box report. Nothing in the image was changed, and this page asks the network for nothing.</p></footer>
${data}<script>${new Markup(script)}</script>
</body>
</html>
`.text;
}

function pageFacts(survey: Survey, packed: Packed, findings: FindingsPart | undefined): PageFacts {
	const {geometry} = survey.volume;
	const rows = findings?.rows ?? [];
	const marked = rows
		.map(({block, severity, message}, row) => ({block, row, severity, text: message}))
		.filter(each => each.block !== undefined && each.block < geometry.blockCount)
		.slice(0, markedFindingsMax)
		.map(each => ({...each, block: each.block ?? 0}));
	return {
		blockSize: geometry.blockSize,
		blockCount: geometry.blockCount,
		firstDataBlock: geometry.firstDataBlock,
		blocksPerGroup: geometry.blocksPerGroup,
		groupCount: geometry.groupCount,
		inodesPerGroup: geometry.inodesPerGroup,
		unitBlocks: packed.unitBlocks,
		groupsPerRow: packed.groupsPerRow,
		totals: [...survey.map.totals],
		fileCount: survey.files.fileCount,
		listedCount: packed.listedCount,
		findings: marked,
	};
}

export type ReportParts = {
	readonly subject: Subject;
	readonly survey: Survey;
	/** Undefined where the journal, which is one of them, can't be read. */
	readonly facts: Facts | undefined;
	readonly lastMountedOn: string;
	readonly problems: Problems;
	/** Undefined where nobody checked. */
	readonly findings: FindingsPart | undefined;
};

/** The whole page, at most `pageBytesMax` bytes of it. */
export function reportPage(parts: ReportParts): string {
	for (let share = 1; ; share /= 2) {
		const page = pageWith(parts, share);
		// What does not shrink are some lists of bounded length: a tenth of what is allowed.
		if (Buffer.byteLength(page) <= pageBytesMax || share < 1 / 64) return page;
	}
}

function pageWith(parts: ReportParts, share: number): string {
	const {subject, survey, facts, problems, findings} = parts;
	const packed = packSurvey(survey, {
		...usualLimits,
		spansMax: Math.ceil(usualLimits.spansMax * share),
		fileBytesMax: Math.ceil(usualLimits.fileBytesMax * share),
	});
	const {blockSize, blockCount} = survey.volume.geometry;
	const type = facts?.type ?? 'ext4';
	const lead = `${type} file system of ${sizeText(blockCount * blockSize)}`;
	const hasMarks = findings?.rows.some(row => row.block !== undefined) ?? false;
	const body = html`${problemsSection(problems)}
${overviewSection(survey)}
${mapSection(survey, packed.listedCount, packed.unitBlocks, hasMarks)}
${findings === undefined ? undefined : findingsSection(findings)}
${fragmentationSections(survey)}
${listSections(survey)}
${featuresSection(survey)}
${facts === undefined ? undefined : factsSection(facts, parts.lastMountedOn)}`;
	const data = html`<script type="application/json" id="facts">${jsonForScript(pageFacts(survey, packed, findings))}</script>
<script type="text/plain" id="data">${new Markup(packed.data)}</script>
`;
	return pageOf(subject, lead, body, data);
}

/** The page of an image in which no file system could be opened. */
export function brokenPage(
	subject: Subject,
	problems: Problems,
	findings: FindingsPart | undefined,
): string {
	const body = html`${problemsSection(problems)}${findings === undefined ? undefined : findingsSection(findings)}`;
	return pageOf(subject, 'No file system in it could be opened.', body, undefined);
}
