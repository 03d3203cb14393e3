/**
 * The map on its canvas: the disk as one long strip, broken into rows like a text. Each column of a
 * row stands for a stretch of blocks and is filled by what they are, the more important on top.
 */
import type {Disk} from './disk.ts';
import {blockClasses} from './format.ts';
import type {ListedFile} from './unpacking.ts';

const gutterCss = 64;
const rowCss = 22;
const gapCss = 4;
/** At the narrowest a row shows a block over so many pixels. */
const widestBlockCss = 48;
/** Blocks in a row up to which rows are whole blocks long. */
const wholeBlocksMax = 400;

export type Palette = {
	readonly classes: readonly string[];
	readonly text: string;
	readonly muted: string;
	readonly accent: string;
	readonly background: string;
	readonly finding: string;
};

/** Blocks `[from, to)`, whole or not. */
export type Range = {readonly from: number; readonly to: number};

export class MapView {
	/** What is asked for; `range` is what is shown of it. */
	#wanted: Range;
	/** Classes that are shown; the others are drawn faintly. */
	readonly shown: Set<number>;
	selected: ListedFile | undefined;
	/** The block under the keyboard's cursor; undefined until a key is used. */
	cursor: number | undefined;
	readonly #disk: Disk;
	readonly #canvas: HTMLCanvasElement;
	readonly #palette: () => Palette;
	#width = 0;
	#height = 0;

	constructor(disk: Disk, canvas: HTMLCanvasElement, palette: () => Palette) {
		this.#disk = disk;
		this.#canvas = canvas;
		this.#palette = palette;
		this.#wanted = this.everything;
		this.shown = new Set(blockClasses.keys());
	}

	get everything(): Range {
		return {from: 0, to: this.#disk.facts.blockCount};
	}

	/** Near by, rows are whole blocks long, so that blocks stand one below another. */
	get range(): Range {
		const {from, to} = this.#wanted;
		const perRow = (to - from) / this.rows;
		if (perRow > wholeBlocksMax || to - from >= this.#disk.facts.blockCount) return this.#wanted;
		const start = Math.round(from);
		return {from: start, to: start + Math.max(1, Math.round(perRow)) * this.rows};
	}

	get rows(): number {
		return Math.max(1, Math.floor((this.#height + gapCss) / (rowCss + gapCss)));
	}

	get #columns(): number {
		return Math.max(1, this.#width - this.#gutter);
	}

	get #gutter(): number {
		return this.#width < 480 ? 0 : gutterCss;
	}

	get blocksPerRow(): number {
		return (this.range.to - this.range.from) / this.rows;
	}

	/** Takes the canvas's size as it is laid out now. */
	resize(): void {
		const {width, height} = this.#canvas.getBoundingClientRect();
		this.#width = width;
		this.#height = height;
		const scale = window.devicePixelRatio;
		this.#canvas.width = Math.round(width * scale);
		this.#canvas.height = Math.round(height * scale);
	}

	/** The block at a point of the canvas, in CSS pixels; undefined beside the rows. */
	blockAt(x: number, y: number): number | undefined {
		const row = Math.floor(y / (rowCss + gapCss));
		const column = x - this.#gutter;
		if (column < 0 || column > this.#columns || row < 0 || row >= this.rows) return undefined;
		const block = this.range.from + (row + column / this.#columns) * this.blocksPerRow;
		return block < this.#disk.facts.blockCount ? Math.floor(block) : undefined;
	}

	/** How many blocks a pixel shows; less than 1 where a block is wider. */
	get blocksPerPixel(): number {
		return this.blocksPerRow / this.#columns;
	}

	/** Shows `range`, as near as the bounds allow: all of the disk at most, and blocks of some width. */
	show(range: Range): void {
		const {blockCount} = this.#disk.facts;
		const least = Math.min(blockCount, (this.#columns / widestBlockCss) * this.rows);
		const length = Math.min(blockCount, Math.max(least, range.to - range.from));
		const middle = (range.from + range.to) / 2;
		const from = Math.min(Math.max(0, middle - length / 2), blockCount - length);
		this.#wanted = {from, to: from + length};
	}

	/** Zooms by `factor` (below 1: nearer) so that `block` stays where it is on the canvas. */
	zoomAround(block: number, factor: number): Range {
		const shown = this.range;
		const length = Math.min(
			(this.#wanted.to - this.#wanted.from) * factor,
			this.#disk.facts.blockCount,
		);
		const start = block - ((block - shown.from) / (shown.to - shown.from)) * length;
		return {from: start, to: start + length};
	}

	draw(): void {
		const context = this.#canvas.getContext('2d');
		if (context === null) return;
		const scale = window.devicePixelRatio;
		context.setTransform(scale, 0, 0, scale, 0, 0);
		context.clearRect(0, 0, this.#width, this.#height);
		const palette = this.#palette();
		for (let row = 0; row < this.rows; row++) this.#drawRow(context, row, palette);
		if (this.selected !== undefined) this.#drawFile(context, this.selected, palette);
		this.#drawFindings(context, palette);
		if (this.cursor !== undefined) this.#drawCursor(context, this.cursor, palette);
	}

	#drawRow(context: CanvasRenderingContext2D, row: number, palette: Palette): void {
		const from = this.range.from + row * this.blocksPerRow;
		const {blockCount} = this.#disk.facts;
		if (from >= blockCount) return;
		const top = row * (rowCss + gapCss);
		this.#drawLabel(context, from, top, palette);
		// In device pixels, so that neighbouring columns leave no seam.
		const scale = window.devicePixelRatio;
		const columns = Math.round(this.#columns * scale);
		const perColumn = this.blocksPerRow / columns;
		const counts = new Float64Array(blockClasses.length);
		let painted = {key: '', from: 0};
		const faint = this.selected === undefined ? 0.12 : 0.08;
		const strong = this.selected === undefined ? 1 : 0.35;
		const flush = (to: number) => {
			if (painted.key === '' || to <= painted.from) return;
			let y = top;
			const x = this.#gutter + painted.from / scale;
			for (const part of painted.key.split(' ')) {
				const [kind = 0, height = 0] = part.split(':').map(Number);
				context.globalAlpha = this.shown.has(kind) ? strong : faint;
				context.fillStyle = palette.classes[kind] ?? palette.muted;
				context.fillRect(x, y, (to - painted.from) / scale, height);
				y += height;
			}
			context.globalAlpha = 1;
		};
		for (let column = 0; column < columns; column++) {
			const start = from + column * perColumn;
			if (start >= blockCount) {
				flush(column);
				painted = {key: '', from: column};
				break;
			}
			counts.fill(0);
			this.#disk.compose(start, Math.min(start + perColumn, blockCount), counts);
			const key = stackOf(counts);
			if (key === painted.key) continue;
			flush(column);
			painted = {key, from: column};
		}
		flush(columns);
		if (perColumn * scale < 1 / 6) this.#drawBlockEdges(context, from, top, palette);
	}

	/** Where blocks are wide enough to be told apart, a fine line between them. */
	#drawBlockEdges(
		context: CanvasRenderingContext2D,
		from: number,
		top: number,
		palette: Palette,
	): void {
		context.fillStyle = palette.background;
		context.globalAlpha = 0.5;
		const end = Math.min(from + this.blocksPerRow, this.#disk.facts.blockCount);
		for (let block = Math.ceil(from); block < end; block++) {
			const x = this.#gutter + ((block - from) / this.blocksPerRow) * this.#columns;
			context.fillRect(x, top, 1, rowCss);
		}
		context.globalAlpha = 1;
	}

	#drawLabel(context: CanvasRenderingContext2D, from: number, top: number, palette: Palette): void {
		if (this.#gutter === 0) return;
		const {blocksPerGroup} = this.#disk.facts;
		const label =
			this.blocksPerRow >= blocksPerGroup
				? `group ${this.#disk.groupOf(Math.ceil(from))}`
				: Math.ceil(from).toLocaleString('en');
		context.fillStyle = palette.muted;
		context.font = '11px system-ui, sans-serif';
		context.textBaseline = 'middle';
		context.textAlign = 'right';
		context.fillText(label, this.#gutter - 8, top + rowCss / 2, this.#gutter - 8);
	}

	/** The rectangles that blocks `[from, to)` take on the canvas, at least `least` pixels wide. */
	*#boxes(from: number, to: number, least: number) {
		const perRow = this.blocksPerRow;
		const start = Math.max(from, this.range.from);
		const end = Math.min(to, this.range.to);
		if (end <= start) return;
		const firstRow = Math.floor((start - this.range.from) / perRow);
		const lastRow = Math.min(this.rows - 1, Math.floor((end - this.range.from) / perRow));
		for (let row = firstRow; row <= lastRow; row++) {
			const rowFrom = this.range.from + row * perRow;
			const left = Math.max(0, (start - rowFrom) / perRow) * this.#columns;
			const right = Math.min(1, (end - rowFrom) / perRow) * this.#columns;
			if (right <= left && row > firstRow) continue;
			const x = this.#gutter + left;
			yield {x, y: row * (rowCss + gapCss), width: Math.max(least, right - left)};
		}
	}

	#drawFile(context: CanvasRenderingContext2D, file: ListedFile, palette: Palette): void {
		context.fillStyle = palette.accent;
		for (const {physical, length} of file.extents) {
			for (const {x, y, width} of this.#boxes(physical, physical + length, 2)) {
				context.fillRect(x, y - 1, width, rowCss + 2);
			}
		}
	}

	#drawFindings(context: CanvasRenderingContext2D, palette: Palette): void {
		for (const {block} of this.#disk.facts.findings) {
			for (const {x, y, width} of this.#boxes(block, block + 1, 0)) {
				const middle = x + width / 2;
				context.beginPath();
				context.moveTo(middle - 6, y - 2);
				context.lineTo(middle + 6, y - 2);
				context.lineTo(middle, y + 9);
				context.closePath();
				context.fillStyle = palette.finding;
				context.fill();
				context.strokeStyle = palette.background;
				context.lineWidth = 1.5;
				context.stroke();
			}
		}
	}

	#drawCursor(context: CanvasRenderingContext2D, block: number, palette: Palette): void {
		for (const {x, y, width} of this.#boxes(block, block + 1, 1)) {
			const left = Math.max(this.#gutter, x + width / 2 - Math.max(4, width / 2));
			context.strokeStyle = palette.background;
			context.lineWidth = 4;
			context.strokeRect(left, y - 1, Math.max(8, width), rowCss + 2);
			context.strokeStyle = palette.text;
			context.lineWidth = 2;
			context.strokeRect(left, y - 1, Math.max(8, width), rowCss + 2);
		}
	}
}

/**
 * The heights of the classes in a column, from the top, as a key that equal columns share. What is
 * there at all has at least three pixels, unless too much is there.
 */
function stackOf(counts: Float64Array): string {
	let all = 0;
	let present = 0;
	for (const count of counts) {
		all += count;
		if (count > 0) present++;
	}
	if (all === 0) return '';
	const least = present * 3 <= rowCss ? 3 : Math.floor(rowCss / present);
	const spare = rowCss - present * least;
	const parts: string[] = [];
	let used = 0;
	let last = 0;
	for (let kind = counts.length - 1; kind >= 0; kind--) {
		const count = counts[kind] ?? 0;
		if (count === 0) continue;
		const height = least + Math.floor((spare * count) / all);
		parts.push(`${kind}:${height}`);
		used += height;
		last = kind;
	}
	// Rounding leaves a pixel or two to the lowest.
	parts[parts.length - 1] = `${last}:${Number(parts.at(-1)?.split(':')[1]) + rowCss - used}`;
	return parts.join(' ');
}
