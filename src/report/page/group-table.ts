/** The groups as a table: what the map shows, for who does not see it. A page at a time. */
import {type Disk, numberText, percentText} from './disk.ts';
import {byId, make} from './elements.ts';
import {blockClasses, classOf} from './format.ts';

const rowsShown = 50;

export function setUpGroupTable(disk: Disk, show: (from: number, to: number) => void): void {
	const {facts, groups} = disk;
	const body = byId('group-rows', HTMLTableSectionElement);
	const where = byId('group-where', HTMLElement);
	const previous = byId('group-previous', HTMLButtonElement);
	const next = byId('group-next', HTMLButtonElement);
	let first = 0;

	const row = (index: number) => {
		const {groupsPerRow, groupCount, blockCount} = facts;
		const group = groups[index];
		const line = document.createElement('tr');
		if (group === undefined) return line;
		const from = index * groupsPerRow;
		const to = Math.min(from + groupsPerRow, groupCount);
		const start = disk.groupStart(from);
		const end = Math.min(disk.groupStart(to), blockCount);
		const counts = new Float64Array(blockClasses.length);
		disk.compose(start, end, counts);
		const share = (...kinds: number[]) =>
			percentText(kinds.reduce((sum, kind) => sum + (counts[kind] ?? 0), 0) / (end - start));
		const name = to - from === 1 ? `${from}` : `${from}–${to - 1}`;
		const button = make('button', name, 'link');
		button.setAttribute('aria-label', `show group ${name} on the map`);
		button.addEventListener('click', () => show(start, end));
		const head = document.createElement('th');
		head.scope = 'row';
		head.append(button);
		const fixed = [classOf.superblock, classOf.descriptors, classOf.bitmaps, classOf.inodes];
		const cells = [
			`${numberText(start)}–${numberText(end - 1)}`,
			share(classOf.file),
			share(classOf.directory, classOf.map, classOf.system, classOf.unknown),
			share(classOf.journal),
			share(...fixed),
			percentText(group.freeBlocks / (end - start)),
			numberText(group.usedInodes),
			numberText(group.directories),
			group.unreadable > 0 ? 'unreadable' : '',
		];
		line.append(head, ...cells.map(text => make('td', text)));
		return line;
	};
	const fill = () => {
		const end = Math.min(first + rowsShown, groups.length);
		const rows: HTMLTableRowElement[] = [];
		for (let index = first; index < end; index++) rows.push(row(index));
		body.replaceChildren(...rows);
		where.textContent = `rows ${first + 1} to ${end} of ${groups.length}`;
		previous.disabled = first === 0;
		next.disabled = end >= groups.length;
	};
	previous.addEventListener('click', () => {
		first = Math.max(0, first - rowsShown);
		fill();
	});
	next.addEventListener('click', () => {
		first += rowsShown;
		fill();
	});
	fill();
}
