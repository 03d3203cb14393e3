/** What is told of the file that was chosen. */
import {type Disk, numberText, sizeText} from './disk.ts';
import {byId, make} from './elements.ts';
import {fileFlags} from './format.ts';
import type {ListedFile} from './unpacking.ts';

const extentsShown = 200;

function factsOf(disk: Disk, file: ListedFile): string {
	const kind = (file.flags & fileFlags.directory) !== 0 ? 'directory' : 'file';
	const {extents, fragments} = file;
	if (extents.length === 0) {
		return `A ${kind} of ${sizeText(file.sizeBytes)}, inode ${file.inode}, with no blocks of its own.`;
	}
	const from = Math.min(...extents.map(each => each.physical));
	const to = Math.max(...extents.map(each => each.physical + each.length));
	const pieces = fragments === 1 ? 'one piece' : `${numberText(fragments)} pieces`;
	const reach = sizeText((to - from) * disk.facts.blockSize);
	return `A ${kind} of ${sizeText(file.sizeBytes)}, inode ${file.inode}, in ${pieces} over ${reach} of the disk.`;
}

/** Fills the panel, or hides it; `show` is called for the extent that is chosen in it. */
export function showFile(
	disk: Disk,
	file: ListedFile | undefined,
	show: (from: number, to: number) => void,
): void {
	const panel = byId('file', HTMLElement);
	panel.hidden = file === undefined;
	if (file === undefined) return;
	byId('file-path', HTMLElement).textContent = file.path;
	byId('file-facts', HTMLElement).textContent = factsOf(disk, file);
	const {blockSize} = disk.facts;
	const rows = file.extents.slice(0, extentsShown).map(each => {
		const line = document.createElement('tr');
		const button = make('button', numberText(each.physical), 'link');
		button.setAttribute('aria-label', `show block ${each.physical} on the map`);
		button.addEventListener('click', () => show(each.physical, each.physical + each.length));
		const place = document.createElement('td');
		place.append(button);
		line.append(
			make('td', numberText(each.logical)),
			place,
			make('td', numberText(each.length)),
			make('td', sizeText(each.length * blockSize)),
			make('td', each.isUnwritten ? 'set aside, not written' : ''),
		);
		return line;
	});
	byId('file-extents', HTMLTableSectionElement).replaceChildren(...rows);
	const isCut = (file.flags & fileFlags.extentsCut) !== 0 || file.extents.length > extentsShown;
	byId('file-more', HTMLElement).textContent = isCut
		? `The first ${rows.length}; "ext4box extents" tells all.`
		: '';
}
