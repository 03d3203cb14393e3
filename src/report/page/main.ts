/** Brings the page to life; without it the tables stand as they are. */
import {Disk, numberText, sizeText} from './disk.ts';
import {byId, make} from './elements.ts';
import {showFile} from './file-panel.ts';
import {blockClasses, type PageFacts} from './format.ts';
import {setUpGroupTable} from './group-table.ts';
import {MapView, type Palette, type Range} from './map-view.ts';
import {Motion} from './motion.ts';
import {setUpSearch} from './search.ts';
import {type ListedFile, unpack} from './unpacking.ts';

function readPalette(): Palette {
	const style = getComputedStyle(document.documentElement);
	const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
	return {
		classes: blockClasses.map(({id}) => color(`class-${id}`)),
		text: color('text'),
		muted: color('muted'),
		accent: color('accent'),
		background: color('surface'),
		finding: color('finding'),
	};
}

/** The theme follows the system until somebody chooses. */
function setUpTheme(changed: () => void): void {
	const button = byId('theme', HTMLButtonElement);
	const root = document.documentElement;
	const system = matchMedia('(prefers-color-scheme: dark)');
	const isDark = () => (root.dataset['theme'] ?? (system.matches ? 'dark' : 'light')) === 'dark';
	const say = () => {
		button.textContent = isDark() ? 'Light' : 'Dark';
		button.setAttribute('aria-label', `switch to the ${isDark() ? 'light' : 'dark'} theme`);
		changed();
	};
	button.hidden = false;
	button.addEventListener('click', () => {
		root.dataset['theme'] = isDark() ? 'light' : 'dark';
		say();
	});
	system.addEventListener('change', say);
	say();
}

class Page {
	readonly #disk: Disk;
	readonly #canvas = byId('map', HTMLCanvasElement);
	readonly #tip = byId('tip', HTMLElement);
	readonly #live = byId('live', HTMLElement);
	readonly #where = byId('where', HTMLElement);
	readonly #view: MapView;
	readonly #motion: Motion;
	readonly #pointers = new Map<number, PointerEvent>();
	#palette = readPalette();
	#isDue = false;
	#moved = 0;
	#said = 0;

	constructor(disk: Disk) {
		this.#disk = disk;
		this.#view = new MapView(disk, this.#canvas, () => this.#palette);
		this.#motion = new Motion(this.#view, () => this.#redraw());
	}

	start(): void {
		this.#view.resize();
		setUpTheme(() => {
			this.#palette = readPalette();
			this.#redraw();
		});
		new ResizeObserver(() => {
			this.#view.resize();
			this.#view.show(this.#view.range);
			this.#drawNow(); // A canvas that was resized is empty until it is drawn.
		}).observe(this.#canvas);
		this.#setUpButtons();
		this.#setUpLegend();
		this.#setUpPointer();
		this.#canvas.addEventListener('keydown', event => this.#onKey(event));
		this.#canvas.addEventListener('blur', () => {
			this.#view.cursor = undefined;
			this.#hideTip();
			this.#redraw();
		});
		setUpSearch(this.#disk.files, file => this.#select(file, true));
		setUpGroupTable(this.#disk, (from, to) => this.#showBlocks(from, to));
		this.#drawNow();
	}

	#redraw(): void {
		if (this.#isDue) return;
		this.#isDue = true;
		requestAnimationFrame(() => {
			this.#isDue = false;
			this.#drawNow();
		});
	}

	#drawNow(): void {
		this.#view.draw();
		const {from, to} = this.#view.range;
		const {blockSize, blockCount} = this.#disk.facts;
		const first = Math.floor(from);
		const last = Math.min(blockCount, Math.ceil(to)) - 1;
		const isAll = first === 0 && last === blockCount - 1;
		const size = sizeText((last - first + 1) * blockSize);
		this.#where.textContent = isAll
			? `All ${numberText(blockCount)} blocks, ${size}`
			: `Blocks ${numberText(first)} to ${numberText(last)}, ${size}, group ${this.#groups(first, last)}`;
		byId('zoom-all', HTMLButtonElement).disabled = isAll;
		byId('zoom-out', HTMLButtonElement).disabled = isAll;
	}

	#groups(first: number, last: number): string {
		const [a, b] = [this.#disk.groupOf(first), this.#disk.groupOf(last)];
		return a === b ? numberText(a) : `${numberText(a)} to ${numberText(b)}`;
	}

	#middle(): number {
		const {from, to} = this.#view.range;
		return this.#view.cursor ?? (from + to) / 2;
	}

	#setUpButtons(): void {
		const zoom = (id: string, range: () => Range) =>
			byId(id, HTMLButtonElement).addEventListener('click', () => this.#motion.glide(range()));
		zoom('zoom-in', () => this.#view.zoomAround(this.#middle(), 0.5));
		zoom('zoom-out', () => this.#view.zoomAround(this.#middle(), 2));
		zoom('zoom-all', () => this.#view.everything);
		byId('file-close', HTMLButtonElement).addEventListener('click', () => {
			this.#select(undefined, false);
			byId('search', HTMLInputElement).focus();
		});
		for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-block]')) {
			const block = Number(button.dataset['block']);
			button.addEventListener('click', () => this.#showBlocks(block, block + 1));
		}
		for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-inode]')) {
			const inode = Number(button.dataset['inode']);
			const file = this.#disk.files.find(each => each.inode === inode);
			if (file === undefined) button.disabled = true;
			else button.addEventListener('click', () => this.#select(file, true));
		}
	}

	/** The legend filters: pressed is shown. Where all but one are off, that one stands out. */
	#setUpLegend(): void {
		for (const button of document.querySelectorAll<HTMLButtonElement>(
			'#legend button[data-kind]',
		)) {
			const kind = Number(button.dataset['kind']);
			button.addEventListener('click', () => {
				const {shown} = this.#view;
				if (shown.has(kind)) shown.delete(kind);
				else shown.add(kind);
				button.setAttribute('aria-pressed', String(shown.has(kind)));
				this.#redraw();
			});
		}
		byId('legend-all', HTMLButtonElement).addEventListener('click', () => {
			const {shown} = this.#view;
			const isAll = shown.size === blockClasses.length;
			shown.clear();
			if (!isAll) for (const kind of blockClasses.keys()) shown.add(kind);
			for (const button of document.querySelectorAll('#legend button[data-kind]')) {
				button.setAttribute('aria-pressed', String(!isAll));
			}
			this.#redraw();
		});
	}

	#select(file: ListedFile | undefined, isToShow: boolean): void {
		this.#view.selected = file;
		showFile(this.#disk, file, (from, to) => this.#showBlocks(from, to));
		if (file !== undefined && isToShow) {
			this.#canvas.scrollIntoView({block: 'nearest'});
			this.#say(`${file.path}, ${numberText(file.extents.length)} extents, is marked on the map`);
		}
		this.#redraw();
	}

	/** Goes to some blocks, with what lies around them. */
	#showBlocks(from: number, to: number): void {
		const around = Math.max(to - from, 64);
		this.#view.cursor = from;
		this.#canvas.scrollIntoView({block: 'nearest'});
		this.#motion.glide({from: from - around, to: to + around});
		this.#say(this.#describe(from));
	}

	/** Tells a screen reader, when the last key is a moment ago. */
	#say(text: string): void {
		clearTimeout(this.#said);
		this.#said = window.setTimeout(() => {
			this.#live.textContent = text;
		}, 150);
	}

	#describe(block: number): string {
		const owner = this.#disk.ownerOf(block);
		const {kind} = this.#disk.spanAt(block);
		const what = blockClasses[kind]?.label ?? '';
		const finding = this.#disk.facts.findings.find(each => each.block === block);
		const parts = [`block ${numberText(block)}, group ${this.#disk.groupOf(block)}`, what];
		if (owner !== undefined) parts.push(owner.file.path);
		if (finding !== undefined) parts.push(finding.text);
		return parts.join(': ');
	}

	#hideTip(): void {
		this.#tip.hidden = true;
	}

	#showTip(block: number, x: number, y: number): void {
		const width = Math.max(1, this.#view.blocksPerPixel);
		const end = Math.min(Math.floor(block + width), this.#disk.facts.blockCount);
		const place =
			end - block > 1
				? `Blocks ${numberText(block)}–${numberText(end - 1)}`
				: `Block ${numberText(block)}`;
		const lines = [
			make('strong', `${place} · group ${this.#groups(block, end - 1)}`),
			make('span', this.#disk.describe(block, Math.max(end, block + 1))),
		];
		const owner = this.#disk.ownerOf(block);
		if (owner !== undefined) {
			const at = owner.extent.logical + block - owner.extent.physical;
			lines.push(make('span', `${owner.file.path} (its block ${numberText(at)})`, 'path'));
		}
		for (const finding of this.#disk.facts.findings) {
			if (finding.block < block || finding.block >= Math.max(end, block + 1)) continue;
			lines.push(make('span', finding.text, 'finding'));
			if (lines.length > 6) break;
		}
		this.#tip.replaceChildren(...lines);
		this.#tip.hidden = false;
		const {width: room} = this.#canvas.getBoundingClientRect();
		const own = this.#tip.getBoundingClientRect();
		const left = Math.min(Math.max(0, x + 14), Math.max(0, room - own.width));
		this.#tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(y + 18)}px)`;
	}

	#point(event: PointerEvent | WheelEvent | MouseEvent): {x: number; y: number} {
		const {left, top} = this.#canvas.getBoundingClientRect();
		return {x: event.clientX - left, y: event.clientY - top};
	}

	#blockUnder(event: PointerEvent | WheelEvent | MouseEvent): number | undefined {
		const {x, y} = this.#point(event);
		return this.#view.blockAt(x, y);
	}

	#setUpPointer(): void {
		const canvas = this.#canvas;
		canvas.addEventListener('pointerdown', event => {
			canvas.setPointerCapture(event.pointerId);
			this.#pointers.set(event.pointerId, event);
			this.#moved = 0;
		});
		canvas.addEventListener('pointermove', event => this.#onMove(event));
		for (const end of ['pointerup', 'pointercancel'] as const) {
			canvas.addEventListener(end, event => this.#pointers.delete(event.pointerId));
		}
		canvas.addEventListener('pointerleave', () => this.#hideTip());
		canvas.addEventListener('click', event => this.#onClick(event));
		canvas.addEventListener('dblclick', event => {
			const block = this.#blockUnder(event);
			if (block !== undefined) this.#motion.glide(this.#view.zoomAround(block, 0.25));
		});
		canvas.addEventListener('wheel', event => this.#onWheel(event), {passive: false});
	}

	#onWheel(event: WheelEvent): void {
		// A page that is scrolled must not get stuck in its map: it zooms once it was clicked or tabbed to.
		const isMeant = event.ctrlKey || event.metaKey || document.activeElement === this.#canvas;
		const block = this.#blockUnder(event);
		if (!isMeant || block === undefined) return;
		event.preventDefault();
		const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
		const factor = 2 ** (Math.max(-300, Math.min(300, pixels)) / 200);
		this.#motion.jump(this.#view.zoomAround(block, factor));
	}

	#onMove(event: PointerEvent): void {
		const before = this.#pointers.get(event.pointerId);
		if (before === undefined) {
			const block = this.#blockUnder(event);
			const {x, y} = this.#point(event);
			if (block === undefined) this.#hideTip();
			else this.#showTip(block, x, y);
			return;
		}
		const others = [...this.#pointers.values()].filter(each => each.pointerId !== event.pointerId);
		this.#pointers.set(event.pointerId, event);
		const [other] = others;
		if (other !== undefined) this.#pinch(before, event, other);
		else this.#drag(before, event);
	}

	#pinch(before: PointerEvent, now: PointerEvent, other: PointerEvent): void {
		const distance = (a: PointerEvent) =>
			Math.max(1, Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY));
		this.#moved = 100;
		const block = this.#blockUnder(other);
		if (block === undefined) return;
		this.#motion.jump(this.#view.zoomAround(block, distance(before) / distance(now)));
	}

	#drag(before: PointerEvent, now: PointerEvent): void {
		this.#hideTip();
		const x = now.clientX - before.clientX;
		const y = now.clientY - before.clientY;
		this.#moved += Math.abs(x) + Math.abs(y);
		const {from, to} = this.#view.range;
		const {height} = this.#canvas.getBoundingClientRect();
		const by = x * this.#view.blocksPerPixel + (y / height) * (to - from);
		this.#motion.jump({from: from - by, to: to - by});
	}

	#onClick(event: MouseEvent): void {
		if (this.#moved > 6) return;
		const block = this.#blockUnder(event);
		if (block === undefined) return;
		const {x, y} = this.#point(event);
		this.#showTip(block, x, y); // A finger does not hover.
		const owner = this.#disk.ownerOf(block);
		if (owner !== undefined) this.#select(owner.file, false);
	}

	#onKey(event: KeyboardEvent): void {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const view = this.#view;
		const {from, to} = view.range;
		const step = Math.max(1, Math.floor(view.blocksPerPixel * 12));
		switch (event.key) {
			case 'ArrowRight':
				this.#moveCursor(step);
				break;
			case 'ArrowLeft':
				this.#moveCursor(-step);
				break;
			case 'ArrowDown':
				this.#moveCursor(Math.max(1, Math.round(view.blocksPerRow)));
				break;
			case 'ArrowUp':
				this.#moveCursor(-Math.max(1, Math.round(view.blocksPerRow)));
				break;
			case 'PageDown':
				this.#motion.glide({from: to, to: to + to - from});
				break;
			case 'PageUp':
				this.#motion.glide({from: from - (to - from), to: from});
				break;
			case '+':
			case '=':
				this.#motion.glide(view.zoomAround(this.#middle(), 0.5));
				break;
			case '-':
				this.#motion.glide(view.zoomAround(this.#middle(), 2));
				break;
			case 'Home':
			case '0':
				this.#motion.glide(view.everything);
				break;
			case 'Enter':
			case ' ':
				this.#chooseAtCursor();
				break;
			case 'Escape':
				this.#select(undefined, false);
				break;
			default:
				return;
		}
		event.preventDefault();
	}

	#moveCursor(by: number): void {
		const view = this.#view;
		const {blockCount} = this.#disk.facts;
		const {from, to} = view.range;
		const before = view.cursor ?? Math.floor(from);
		const block = Math.min(
			Math.max(0, view.cursor === undefined ? before : before + by),
			blockCount - 1,
		);
		view.cursor = block;
		const away = block < from ? block - from : block >= to ? block - to + view.blocksPerRow : 0;
		if (away !== 0) this.#motion.jump({from: from + away, to: to + away});
		this.#say(this.#describe(block));
		this.#redraw();
	}

	#chooseAtCursor(): void {
		const block = this.#view.cursor;
		if (block === undefined) return;
		const owner = this.#disk.ownerOf(block);
		if (owner !== undefined) this.#select(owner.file, true);
		else this.#motion.glide(this.#view.zoomAround(block, 0.25));
	}
}

async function main(): Promise<void> {
	const started = performance.now();
	const facts = JSON.parse(byId('facts', HTMLScriptElement).textContent ?? '') as PageFacts;
	const data = byId('data', HTMLScriptElement).textContent ?? '';
	const disk = new Disk(facts, await unpack(data, facts.unitBlocks, facts.blockCount));
	byId('map-section', HTMLElement).classList.add('alive');
	new Page(disk).start();
	// For who wants to know, tests among them: from the script's start to the first picture.
	document.documentElement.dataset['drawnMs'] = String(Math.round(performance.now() - started));
}

if (document.getElementById('facts') !== null) void main();
