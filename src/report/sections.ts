/** The parts of the page, as markup that stands by itself: only the map needs the script. */
import {sizeText} from '../../images/index.ts';
import type {Facts} from '../volume-facts.ts';
import {explainFeatures} from './features.ts';
import type {Candidate} from './files.ts';
import {html, type Markup} from './html.ts';
import {blockClasses, classOf} from './page/format.ts';
import type {Problems} from './problems.ts';
import type {DirectoryRow, Survey} from './survey.ts';

/** A finding of the checker as the page tells it. */
export type FindingRow = {
	readonly severity: 'error' | 'warning' | 'note';
	readonly code: string;
	readonly message: string;
	/** Where, in words. */
	readonly place: string;
	/** A block to show on the map, where one is known. */
	readonly block: number | undefined;
};

export type FindingsPart = {
	readonly rows: readonly FindingRow[];
	/** Findings that no row tells. */
	readonly restCount: number;
	/** One sentence that sums the check up. */
	readonly summary: string;
};

export function numberText(value: number): string {
	return value.toLocaleString('en');
}

function percentText(part: number, whole: number): string {
	if (whole === 0) return '0%';
	const percent = (part / whole) * 100;
	if (percent > 0 && percent < 0.1) return 'under 0.1%';
	if (percent > 99.9 && percent < 100) return 'over 99.9%';
	return `${percent >= 10 ? Math.round(percent) : percent.toFixed(1)}%`;
}

function shareBar(totals: Float64Array): Markup {
	const whole = totals.reduce((sum, each) => sum + each, 0);
	let x = 0;
	const parts: Markup[] = [];
	for (let kind = totals.length - 1; kind > classOf.free; kind--) {
		const width = ((totals[kind] ?? 0) / whole) * 100;
		if (width <= 0) continue;
		const className = `fill-${blockClasses[kind]?.id ?? ''}`;
		parts.push(
			html`<rect class="${className}" x="${x.toFixed(3)}%" width="${width.toFixed(3)}%" height="100%"/>`,
		);
		x += width;
	}
	return html`<svg class="share" aria-hidden="true">${parts}</svg>`;
}

export function overviewSection(survey: Survey): Markup {
	const {volume, map, files} = survey;
	const {blockSize, blockCount, inodeCount} = volume.geometry;
	const free = map.totals[classOf.free] ?? 0;
	const used = blockCount - free;
	const fixed =
		(map.totals[classOf.inodes] ?? 0) +
		(map.totals[classOf.bitmaps] ?? 0) +
		(map.totals[classOf.descriptors] ?? 0) +
		(map.totals[classOf.superblock] ?? 0) +
		(map.totals[classOf.journal] ?? 0);
	const inodes = survey.groups.reduce((sum, group) => sum + group.usedInodes, 0);
	const figure = (name: string, value: string, more: string) =>
		html`<div><dt>${name}</dt><dd>${value}<small>${more}</small></dd></div>`;
	return html`<section aria-labelledby="overview-head"><h2 id="overview-head">At a glance</h2>
<dl class="figures">
${figure('Size', sizeText(blockCount * blockSize), `${numberText(blockCount)} blocks of ${sizeText(blockSize)}`)}
${figure('Used', percentText(used, blockCount), `${sizeText(used * blockSize)}, ${sizeText(free * blockSize)} free`)}
${figure('Files', numberText(files.fileCount), `in ${numberText(files.directoryCount)} directories`)}
${figure('Inodes in use', percentText(inodes, inodeCount), `${numberText(inodes)} of ${numberText(inodeCount)}`)}
${figure('Kept for itself', percentText(fixed, blockCount), `${sizeText(fixed * blockSize)} of tables and journal`)}
</dl>${shareBar(map.totals)}</section>`;
}

function legendButtons(survey: Survey): Markup[] {
	const {totals, blockCount} = survey.map;
	return [...blockClasses.entries()]
		.filter(([kind]) => (totals[kind] ?? 0) > 0)
		.map(
			([kind, {id, label, about}]) =>
				html`<button type="button" data-kind="${kind}" aria-pressed="true" title="${about}"><span class="swatch back-${id}"></span>${label} <small>${percentText(totals[kind] ?? 0, blockCount)}</small></button>`,
		);
}

export function mapSection(
	survey: Survey,
	listedCount: number,
	unitBlocks: number,
	hasFindings: boolean,
): Markup {
	const {files, volume} = survey;
	const inTree = files.fileCount + files.directoryCount + files.symlinkCount + files.otherCount;
	const listed =
		listedCount >= inTree
			? 'Find a file or directory'
			: `Find a file or directory (the ${numberText(listedCount)} largest of ${numberText(inTree)})`;
	const coarse =
		unitBlocks === 1
			? ''
			: ` The map counts in units of ${sizeText(unitBlocks * volume.geometry.blockSize)}; of what shares a unit, the rarer shows.`;
	return html`<section id="map-section" aria-labelledby="map-head"><h2 id="map-head">What is where</h2>
<p class="needs-script">The map is drawn by a script in this page. All else below can be read without.</p>
<div class="tools">
<div class="finder"><label for="search">${listed}</label>
<input type="search" id="search" role="combobox" aria-expanded="false" aria-controls="results" aria-autocomplete="list" autocomplete="off" spellcheck="false" placeholder="part of a path">
<ul id="results" role="listbox" aria-label="files found" hidden></ul>
<span id="result-count" class="visually-hidden" role="status"></span></div>
<div class="zoom" role="group" aria-label="zoom">
<button type="button" id="zoom-in" aria-label="zoom in">+</button>
<button type="button" id="zoom-out" aria-label="zoom out">−</button>
<button type="button" id="zoom-all">All</button></div></div>
<figure class="stage">
<canvas id="map" tabindex="0" role="application" aria-roledescription="map of the disk" aria-label="What each block of the disk holds. The table of groups below tells the same." aria-describedby="map-keys">A map of the disk; the table of groups below tells the same.</canvas>
<div id="tip" hidden></div></figure>
<p id="where" role="status"></p>
<p class="hint" id="map-keys">Wheel once the map was clicked (or with Ctrl), pinch, + and − zoom; drag or arrow keys move; Enter tells whose a block is; Home shows all.${coarse}</p>
<div id="live" class="visually-hidden" aria-live="polite"></div>
<fieldset id="legend"><legend>Shown on the map (choose to hide)</legend>
${legendButtons(survey)}<button type="button" id="legend-all">All or none</button>${hasFindings ? html`<span class="key"><span class="mark" aria-hidden="true">▼</span>a finding</span>` : undefined}</fieldset>
<div id="file" role="region" aria-labelledby="file-path" hidden>
<header><h3 id="file-path"></h3><button type="button" id="file-close" aria-label="close, and mark no file">Close</button></header>
<p id="file-facts"></p>
<div class="scroll" tabindex="0" role="region" aria-label="extents"><table><thead><tr><th scope="col">From its block</th><th scope="col">On disk at</th><th scope="col">Blocks</th><th scope="col">Size</th><th scope="col"></th></tr></thead><tbody id="file-extents"></tbody></table></div>
<p class="hint" id="file-more"></p></div>
<details><summary>The groups as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="groups"><table><caption>Shares of each group's blocks. A group's number leads to its place on the map.</caption>
<thead><tr><th scope="col">Group</th><th scope="col">Blocks</th><th scope="col">Files</th><th scope="col">Directories and other</th><th scope="col">Journal</th><th scope="col">Tables</th><th scope="col">Free</th><th scope="col">Inodes in use</th><th scope="col">Directories</th><th scope="col"></th></tr></thead>
<tbody id="group-rows"></tbody></table></div>
<div class="pager"><button type="button" id="group-previous">Previous</button><button type="button" id="group-next">Next</button><span id="group-where" role="status" class="muted"></span></div>
</details></section>`;
}

export function problemsSection(problems: Problems): Markup | undefined {
	if (problems.count === 0) return undefined;
	const rows = problems.kept.map(
		({message, code}) =>
			html`<tr><td class="wide">${message}</td><td><code>${code}</code></td></tr>`,
	);
	const first = problems.kept[0]?.message;
	const rest = problems.count - problems.kept.length;
	const more = rest > 0 ? html`<p class="muted">And ${numberText(rest)} more.</p>` : undefined;
	return html`<section class="notice bad" aria-labelledby="problems-head"><h2 id="problems-head">What could not be read</h2>
<p>${numberText(problems.count)} ${problems.count === 1 ? 'thing is' : 'things are'} missing here: shares and lists below may not be complete. The first: ${first}.</p>
<details><summary>${problems.count === 1 ? 'With its code' : 'All that is told'}</summary>
<div class="scroll" tabindex="0" role="region" aria-label="what could not be read"><table><thead><tr><th scope="col">What</th><th scope="col">Code</th></tr></thead><tbody>${rows}</tbody></table></div>${more}</details></section>`;
}

export function findingsSection(findings: FindingsPart): Markup {
	const rows = findings.rows.map(({severity, code, message, place, block}) => {
		const where =
			block === undefined
				? html`${place}`
				: html`<button type="button" class="link" data-block="${block}" aria-label="show ${place} on the map">${place}</button>`;
		return html`<tr><td class="severity ${severity}">${severity}</td><td class="wide">${message}</td><td class="where">${where}</td><td><code>${code}</code></td></tr>`;
	});
	const table =
		rows.length === 0
			? undefined
			: html`<div class="scroll" tabindex="0" role="region" aria-label="findings"><table><thead><tr><th scope="col">Severity</th><th scope="col">What</th><th scope="col">Where</th><th scope="col">Code</th></tr></thead><tbody>${rows}</tbody></table></div>`;
	const rest = findings.restCount;
	const more =
		rest > 0
			? html`<p class="muted">And ${numberText(rest)} more: "ext4box check" tells all.</p>`
			: undefined;
	return html`<section aria-labelledby="findings-head"><h2 id="findings-head">What the checker finds</h2><p>${findings.summary}</p>${table}${more}</section>`;
}

/** Values as bars, with their numbers beside them. */
function bars(
	head: readonly [string, string, string],
	rows: readonly {label: string; value: number; text: string}[],
	className: string,
): Markup {
	const most = Math.max(1, ...rows.map(each => each.value));
	const lines = rows.map(
		({label, value, text}) =>
			html`<tr><th scope="row">${label}</th><td class="wide"><svg class="bar ${className}" aria-hidden="true"><rect width="${((value / most) * 100).toFixed(2)}%" height="100%" rx="2"/></svg></td><td class="number">${text}</td></tr>`,
	);
	return html`<div class="scroll"><table class="bars"><thead><tr>${head.map(name => html`<th scope="col">${name}</th>`)}</tr></thead><tbody>${lines}</tbody></table></div>`;
}

function bucketLabel(bucket: number, last: number): string {
	if (bucket === 0) return '1';
	const from = 2 ** bucket;
	return bucket === last ? `${from} and more` : `${from} to ${2 * from - 1}`;
}

export function fragmentationSections(survey: Survey): Markup {
	const {files, groupSurvey, volume} = survey;
	const {blockSize} = volume.geometry;
	const {freeRuns} = groupSurvey;
	const whole = files.filesByFragments[0] ?? 0;
	const average = files.withBlocksCount === 0 ? 0 : files.fragmentCount / files.withBlocksCount;
	const last = files.filesByFragments.length - 1;
	const fileRows = [...files.filesByFragments.entries()].map(([bucket, value]) => ({
		label: bucketLabel(bucket, last),
		value,
		text: numberText(value),
	}));
	const freeRows = [...freeRuns.blocksBySize.entries()]
		.filter(([, blocks]) => blocks > 0)
		.map(([size, blocks]) => ({
			label: `${sizeText(2 ** size * blockSize)} and more`,
			value: blocks,
			text: sizeText(blocks * blockSize),
		}));
	const fileText =
		files.withBlocksCount === 0
			? 'No file has blocks of its own.'
			: `${percentText(whole, files.withBlocksCount)} of the files that have blocks lie in one piece; on average a file has ${average.toFixed(2)}.`;
	const freeText =
		freeRuns.count === 0
			? 'Nothing is free.'
			: `${sizeText(freeRuns.blocks * blockSize)} in ${numberText(freeRuns.count)} pieces, the longest of ${sizeText(freeRuns.longest * blockSize)}.`;
	return html`<div class="pair"><section aria-labelledby="fragments-head"><h2 id="fragments-head">How files are cut up</h2><p>${fileText}</p>
${bars(['Pieces', 'Files', ''], fileRows, '')}</section>
<section aria-labelledby="free-head"><h2 id="free-head">How free space is cut up</h2><p>${freeText}</p>
${bars(['Pieces of', 'Space in them', ''], freeRows, 'space')}</section></div>`;
}

const listedAtOnce = 10;

/** The first rows, and the others behind a click. */
function longTable(head: Markup, rows: readonly Markup[]): Markup {
	const first = html`<div class="scroll"><table>${head}<tbody>${rows.slice(0, listedAtOnce)}</tbody></table></div>`;
	const rest = rows.slice(listedAtOnce);
	if (rest.length === 0) return first;
	return html`${first}<details><summary>${rest.length} more</summary><div class="scroll"><table>${head}<tbody>${rest}</tbody></table></div></details>`;
}

function fileTable(survey: Survey, title: string, id: string, files: readonly Candidate[]): Markup {
	const {blockSize} = survey.volume.geometry;
	const rows = files.map(({inode, blocks, fragments}) => {
		const path = survey.tree.pathOf(inode) ?? `inode ${inode}, without a name`;
		return html`<tr><td class="wide"><button type="button" class="link" data-inode="${inode}">${path}</button></td><td class="number">${sizeText(blocks * blockSize)}</td><td class="number">${numberText(fragments)}</td></tr>`;
	});
	const head = html`<thead><tr><th scope="col">Path</th><th scope="col" class="number">Space</th><th scope="col" class="number">Pieces</th></tr></thead>`;
	const body = rows.length === 0 ? html`<p class="muted">None.</p>` : longTable(head, rows);
	return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${body}</section>`;
}

function directoryTable(
	survey: Survey,
	title: string,
	id: string,
	directories: readonly DirectoryRow[],
): Markup {
	const {blockSize} = survey.volume.geometry;
	const rows = directories.map(
		({path, blocks, entries}) =>
			html`<tr><td class="wide">${path}</td><td class="number">${sizeText(blocks * blockSize)}</td><td class="number">${numberText(entries)}</td></tr>`,
	);
	const head = html`<thead><tr><th scope="col">Path</th><th scope="col" class="number">Space, all below</th><th scope="col" class="number">Entries</th></tr></thead>`;
	const body = rows.length === 0 ? html`<p class="muted">None.</p>` : longTable(head, rows);
	return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${body}</section>`;
}

export function listSections(survey: Survey): Markup {
	const isPartial = survey.tree.isPartial || survey.files.blocksByInode.isPartial;
	const note = isPartial
		? html`<p class="muted">There are more directories than could be kept: their sums are not complete.</p>`
		: undefined;
	return html`<div class="pair">${fileTable(survey, 'Largest files', 'largest-head', survey.largestFiles)}
${fileTable(survey, 'Most fragmented', 'fragmented-head', survey.mostFragmented)}</div>
<div class="pair">${directoryTable(survey, 'Largest directories', 'directories-head', survey.largestDirectories)}
${directoryTable(survey, 'Fullest directories', 'fullest-head', survey.fullestDirectories)}</div>${note}`;
}

const kinds = {
	compat: 'may be ignored by who does not know it',
	ro_compat: 'who does not know it may only read',
	incompat: 'who does not know it can’t read',
} as const;

export function featuresSection(survey: Survey): Markup {
	const rows = explainFeatures(survey.volume.features).map(
		({name, kind, sentence}) =>
			html`<tr><th scope="row">${name}</th><td>${sentence} <span class="muted">(${kinds[kind]})</span></td></tr>`,
	);
	const body =
		rows.length === 0
			? html`<p>None: revision 0 of ext2 knows no features.</p>`
			: html`<table class="features"><thead><tr><th scope="col">Feature</th><th scope="col">What it means</th></tr></thead><tbody>${rows}</tbody></table>`;
	return html`<section aria-labelledby="features-head"><h2 id="features-head">Features</h2>${body}</section>`;
}

function dayText(time: string | null): string {
	return time === null ? 'never' : time.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC');
}

export function factsSection(facts: Facts, lastMountedOn: string): Markup {
	const {state, times, layout, journal} = facts;
	const states = [
		state.needsRecovery ? 'the journal must be brought home' : undefined,
		state.hasErrors ? 'marked as having errors' : undefined,
		state.hasOrphans ? 'deletions to be finished' : undefined,
		state.isClean && !state.needsRecovery ? 'cleanly unmounted' : 'not cleanly unmounted',
	].filter(each => each !== undefined);
	const rows: readonly (readonly [string, string])[] = [
		['Type', facts.type],
		['UUID', facts.uuid],
		['State', states.join(', ')],
		['Errors noted', numberText(facts.errors.count)],
		['Created', dayText(times.created)],
		[
			'Last mounted',
			`${dayText(times.lastMounted)}${lastMountedOn === '' ? '' : ` on ${lastMountedOn}`}`,
		],
		['Last written', dayText(times.lastWritten)],
		['Last checked', dayText(times.lastChecked)],
		[
			'Groups',
			`${numberText(layout.groupCount)} of ${numberText(layout.blocksPerGroup)} blocks and ${numberText(layout.inodesPerGroup)} inodes`,
		],
		['Inodes', `${layout.inodeSize} bytes each`],
		[
			'Journal',
			journal === null ? 'none' : `${sizeText(journal.sizeBytes)}, inode ${journal.inode}`,
		],
	];
	const lines = rows.map(
		([name, value]) => html`<tr><th scope="row">${name}</th><td class="wide">${value}</td></tr>`,
	);
	return html`<section aria-labelledby="facts-head"><h2 id="facts-head">Facts</h2><div class="scroll"><table class="bars"><tbody>${lines}</tbody></table></div></section>`;
}
