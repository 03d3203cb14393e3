/** The page of `report`, opened and used in a headless Chromium. */
import * as fs from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import type {ExecutionContext} from 'ava';
import {Browser, type Size, whyNoBrowser} from '../support/browser.ts';
import {debugfs, e2fsprogs} from '../support/e2fsprogs.ts';
import {makeImage} from '../support/made-image.ts';
import {run, temporary} from '../support/program.ts';
import {serialTestUnless} from '../support/skip.ts';

const why = whyNoBrowser();
const desk: Size = {width: 1280, height: 1100};
const phone: Size = {width: 390, height: 844, isPhone: true};
const hostileName = '<script>alert(2)<\\script><img src=x onerror=alert(3)>';

type Rectangle = {x: number; y: number; width: number; height: number};

/** Makes the page of `image` and opens it. */
async function openPage(
	t: ExecutionContext,
	browser: Browser,
	image: string,
	size: Size,
	media: {[name: string]: string} = {},
): Promise<void> {
	const output = join(temporary(t), 'page.html');
	const {status, stderr} = run(['report', image, '-o', output]);
	t.is(status, 0, stderr);
	await browser.setSize(size);
	await browser.setMedia({'prefers-reduced-motion': 'reduce', ...media});
	await browser.navigate(pathToFileURL(output).href);
	await browser.until('document.documentElement.dataset.drawnMs');
	t.log(`drawn in ${await browser.evaluate('document.documentElement.dataset.drawnMs')} ms`);
}

function madeImage(t: ExecutionContext): string {
	const image = makeImage(['-g', '1024']);
	t.teardown(() => image.remove());
	return image.path;
}

function mapRectangle(browser: Browser): Promise<Rectangle> {
	return browser.evaluate<Rectangle>(`(() => {
		const map = document.getElementById('map');
		map.scrollIntoView({block: 'center'});
		const {x, y, width, height} = map.getBoundingClientRect();
		return {x, y, width, height};
	})()`);
}

const where = (browser: Browser) =>
	browser.evaluate<string>('document.getElementById("where").textContent');

/** Nothing on the console, nothing asked for but the page itself. */
function isQuiet(t: ExecutionContext, browser: Browser): void {
	t.deepEqual(browser.complaints, []);
	t.true(browser.requests.every(url => url.startsWith('file:') && url.endsWith('/page.html')));
}

/** What the map shows, to see that it changes. */
const picture = (browser: Browser) =>
	browser.evaluate<string>('document.getElementById("map").toDataURL()');

serialTestUnless(why, 'the map zooms by wheel, buttons and keys, and comes back', async t => {
	await using browser = await Browser.open();
	await openPage(t, browser, madeImage(t), desk);
	const all = await where(browser);
	t.is(all, 'All 8,192 blocks, 8.0 MiB');
	const {x, y, width, height} = await mapRectangle(browser);
	const before = await picture(browser);

	// The wheel scrolls the page until the map is meant.
	await browser.mouse('mouseWheel', x + width / 2, y + height / 2, {deltaX: 0, deltaY: -240});
	t.is(await where(browser), all);
	const again = await mapRectangle(browser);
	await browser.click(again.x + again.width / 2, again.y + again.height / 2);
	await browser.mouse('mouseWheel', again.x + again.width / 2, again.y + again.height / 2, {
		deltaX: 0,
		deltaY: -240,
	});
	await browser.until('document.getElementById("where").textContent.startsWith("Blocks ")');
	t.false((await picture(browser)) === before);

	await browser.key('Home');
	await browser.until('document.getElementById("where").textContent.startsWith("All ")');
	await browser.evaluate('document.getElementById("zoom-in").click()');
	await browser.until('document.getElementById("where").textContent.startsWith("Blocks 2,0")');
	await browser.evaluate('document.getElementById("zoom-all").click()');
	await browser.until('document.getElementById("zoom-all").disabled');
	isQuiet(t, browser);
});

serialTestUnless(why, 'the map tells what is under the pointer', async t => {
	await using browser = await Browser.open();
	await openPage(t, browser, madeImage(t), desk);
	const {x, y} = await mapRectangle(browser);
	await browser.mouse('mouseMoved', x + 66, y + 5);
	await browser.until('!document.getElementById("tip").hidden');
	const tip = await browser.evaluate<string>('document.getElementById("tip").textContent');
	t.regex(tip, /^Blocks? 0.*group 0.*(Superblocks|System|Group descriptors|Used)/);
	await browser.mouse('mouseMoved', 5, 5);
	await browser.until('document.getElementById("tip").hidden');
	isQuiet(t, browser);
});

serialTestUnless(
	why,
	'a file is found by a part of its path, and marked, with keys alone',
	async t => {
		await using browser = await Browser.open();
		const image = madeImage(t);
		await openPage(t, browser, image, desk);
		const before = await picture(browser);
		await browser.evaluate('document.getElementById("search").focus()');
		await browser.type('spar');
		await browser.until('!document.getElementById("results").hidden');
		t.is(await browser.evaluate('document.getElementById("search").ariaExpanded'), 'true');
		await browser.key('ArrowDown');
		t.is(
			await browser.evaluate(
				'document.getElementById("search").getAttribute("aria-activedescendant")',
			),
			'result-0',
		);
		await browser.key('Enter');
		await browser.until('!document.getElementById("file").hidden');
		t.is(await browser.evaluate('document.getElementById("file-path").textContent'), '/sparse');
		const rows = await browser.evaluate<string[]>(
			'[...document.querySelectorAll("#file-extents tr")].map(row => row.children[1].textContent)',
		);
		const theirs = debugfs([Buffer.from('blocks /sparse')], image)
			.split('\n')
			.at(-2)
			?.trim();
		t.true(
			rows.length > 0 && rows.every(row => theirs?.split(' ').includes(row.replaceAll(',', ''))),
		);
		t.false((await picture(browser)) === before);
		await browser.until('document.getElementById("live").textContent.includes("/sparse")');
		await browser.evaluate('document.querySelector("#file-extents button").click()');
		await browser.until('document.getElementById("where").textContent.startsWith("Blocks ")');
		await browser.evaluate('document.getElementById("search").focus()');
		await browser.key('Escape');
		await browser.until('document.getElementById("file").hidden');
		isQuiet(t, browser);
	},
);

serialTestUnless(why, 'the map is walked by keys, which say where they are', async t => {
	await using browser = await Browser.open();
	await openPage(t, browser, madeImage(t), desk);
	await browser.evaluate('document.getElementById("map").focus()');
	await browser.key('ArrowRight');
	await browser.until('/^block 0, group 0/.test(document.getElementById("live").textContent)');
	await browser.key('+');
	await browser.until('document.getElementById("where").textContent.startsWith("Blocks 0 to")');
	await browser.key('ArrowDown');
	await browser.until('!/^block 0,/.test(document.getElementById("live").textContent)');
	await browser.key('PageDown');
	await browser.until('!document.getElementById("where").textContent.startsWith("Blocks 0 to")');
	isQuiet(t, browser);
});

serialTestUnless(why, 'the legend hides classes, and says so', async t => {
	await using browser = await Browser.open();
	await openPage(t, browser, madeImage(t), desk);
	const before = await picture(browser);
	await browser.evaluate('document.querySelector("#legend button[data-kind=\\"6\\"]").click()');
	await browser.evaluate(
		'new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))',
	);
	t.is(
		await browser.evaluate(
			'document.querySelector("#legend button[data-kind=\\"6\\"]").ariaPressed',
		),
		'false',
	);
	t.false((await picture(browser)) === before);
	isQuiet(t, browser);
});

serialTestUnless(why, 'the groups can be read as a table, which leads to the map', async t => {
	await using browser = await Browser.open();
	await openPage(t, browser, madeImage(t), desk);
	await browser.evaluate('document.querySelector("#map-section details").open = true');
	t.is(await browser.evaluate('document.querySelectorAll("#group-rows tr").length'), 8);
	await browser.evaluate('document.querySelectorAll("#group-rows button")[3].click()');
	await browser.until('document.getElementById("where").textContent.includes("group")');
	isQuiet(t, browser);
});

serialTestUnless(why, 'names that are made to act do not', async t => {
	await using browser = await Browser.open();
	const image = madeImage(t);
	debugfs(
		[
			Buffer.from('cd /folder'),
			Buffer.from(`write ${join(import.meta.dirname, 'browser.test.ts')} "${hostileName}"`),
			Buffer.from('ssv volume_name </h1><img>'),
		],
		image,
	);
	await openPage(t, browser, image, desk);
	await browser.evaluate('document.getElementById("search").focus()');
	await browser.type('onerror');
	await browser.until('!document.getElementById("results").hidden');
	await browser.key('Enter');
	await browser.until('!document.getElementById("file").hidden');
	t.is(
		await browser.evaluate('document.getElementById("file-path").textContent'),
		`/folder/${hostileName}`,
	);
	t.is(await browser.evaluate('document.querySelectorAll("img").length'), 0);
	t.is(await browser.evaluate('document.querySelector("h1").textContent'), '</h1><img>');
	isQuiet(t, browser);
});

serialTestUnless(why, 'findings are marked on the map and lead to it', async t => {
	await using browser = await Browser.open();
	const image = madeImage(t);
	debugfs([Buffer.from('sif /hello links_count 9')], image);
	await openPage(t, browser, image, desk);
	t.true(
		(await browser.evaluate<number>('document.querySelectorAll("button[data-block]").length')) > 0,
	);
	await browser.evaluate('document.querySelector("button[data-block]").click()');
	await browser.until('document.getElementById("where").textContent.startsWith("Blocks ")');
	isQuiet(t, browser);
});

serialTestUnless(why, 'light and dark follow the system, and the button changes them', async t => {
	await using browser = await Browser.open();
	await openPage(t, browser, madeImage(t), desk, {'prefers-color-scheme': 'dark'});
	const background = () =>
		browser.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor');
	const dark = await background();
	const drawn = await picture(browser);
	await browser.evaluate('document.getElementById("theme").click()');
	t.not(await background(), dark);
	await browser.evaluate(
		'new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))',
	);
	t.false((await picture(browser)) === drawn);
	isQuiet(t, browser);
});

serialTestUnless(why, 'text has contrast enough in both themes', async t => {
	await using browser = await Browser.open();
	const image = madeImage(t);
	for (const scheme of ['light', 'dark']) {
		await openPage(t, browser, image, desk, {'prefers-color-scheme': scheme});
		const low = await browser.evaluate<string[]>(`(() => {
			const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
			const light = color => {
				canvas.clearRect(0, 0, 1, 1);
				canvas.fillStyle = color;
				canvas.fillRect(0, 0, 1, 1);
				const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(value => {
					const part = value / 255;
					return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
				});
				return 0.2126 * r + 0.7152 * g + 0.0722 * b;
			};
			const style = getComputedStyle(document.documentElement);
			const value = name => light(style.getPropertyValue('--' + name));
			const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
			const low = [];
			for (const ground of ['background', 'surface']) {
				for (const ink of ['text', 'muted', 'link', 'finding', 'warning']) {
					const got = ratio(value(ink), value(ground));
					if (got < 4.5) low.push(ink + ' on ' + ground + ': ' + got.toFixed(2));
				}
			}
			const classes = ['unknown', 'file', 'directory', 'map', 'system', 'journal', 'inodes', 'bitmaps', 'descriptors', 'superblock', 'unreadable'];
			for (const name of classes) {
				const got = ratio(value('class-' + name), value('surface'));
				if (got < 3) low.push(name + ': ' + got.toFixed(2));
			}
			return low;
		})()`);
		t.deepEqual(low, [], scheme);
	}
});

serialTestUnless(why, 'a phone shows all of it, and a pinch zooms', async t => {
	await using browser = await Browser.open();
	await openPage(t, browser, madeImage(t), phone);
	t.is(await browser.evaluate('document.documentElement.scrollWidth'), 390);
	const {x, y, width, height} = await mapRectangle(browser);
	const touch = (type: string, spread: number) =>
		browser.send('Input.dispatchTouchEvent', {
			type,
			touchPoints:
				type === 'touchEnd'
					? []
					: [
							{x: x + width / 2 - spread, y: y + height / 2, id: 1},
							{x: x + width / 2 + spread, y: y + height / 2, id: 2},
						],
		});
	await touch('touchStart', 20);
	for (let spread = 30; spread <= 120; spread += 15) await touch('touchMove', spread);
	await touch('touchEnd', 0);
	await browser.until('document.getElementById("where").textContent.startsWith("Blocks ")');
	isQuiet(t, browser);
});

serialTestUnless(why, 'every control has a name, and the headings are in order', async t => {
	await using browser = await Browser.open();
	await openPage(t, browser, madeImage(t), desk);
	const {nodes} = (await browser.send('Accessibility.getFullAXTree')) as {
		nodes: {ignored: boolean; role?: {value: string}; name?: {value: string}}[];
	};
	const controls = ['button', 'combobox', 'searchbox', 'link', 'application', 'table', 'region'];
	const nameless = nodes.filter(
		node =>
			!node.ignored &&
			controls.includes(node.role?.value ?? '') &&
			node.role?.value !== 'table' &&
			(node.name?.value ?? '') === '',
	);
	t.deepEqual(nameless, []);
	t.true(nodes.some(node => node.role?.value === 'application'));
	const levels = await browser.evaluate<number[]>(
		'[...document.querySelectorAll("h1, h2, h3")].map(each => Number(each.tagName[1]))',
	);
	t.is(levels[0], 1);
	t.true(levels.every((level, at) => at === 0 || level <= (levels[at - 1] ?? 0) + 1));
});

serialTestUnless(why, 'a page of 1 TiB is drawn', async t => {
	await using browser = await Browser.open();
	const path = join(temporary(t), 'large');
	fs.closeSync(fs.openSync(path, 'w'));
	fs.truncateSync(path, 2 ** 40);
	e2fsprogs('mke2fs', ['-q', '-t', 'ext4', '-E', 'lazy_itable_init=1,lazy_journal_init=1', path]);
	const lines: string[] = [];
	for (let index = 0; index < 200; index++) {
		lines.push(`write /dev/null file${index}`);
		lines.push(`fallocate file${index} 0 ${((index * 7919) % 900_000) + 99}`);
	}
	debugfs(
		lines.map(line => Buffer.from(line)),
		path,
	);
	await openPage(t, browser, path, desk);
	t.is(await where(browser), 'All 268,435,456 blocks, 1.0 TiB');
	isQuiet(t, browser);
});
