/** Finding a listed file by its path: a text field with a list below it (ARIA's combobox). */
import {sizeText} from './disk.ts';
import {byId, make} from './elements.ts';
import {findFiles, foundMax} from './find-files.ts';
import type {ListedFile} from './unpacking.ts';

export function setUpSearch(
	files: readonly ListedFile[],
	select: (file: ListedFile | undefined) => void,
): void {
	const input = byId('search', HTMLInputElement);
	const list = byId('results', HTMLUListElement);
	const count = byId('result-count', HTMLElement);
	let found: ListedFile[] = [];
	let active = -1;

	const close = () => {
		list.hidden = true;
		active = -1;
		input.setAttribute('aria-expanded', 'false');
		input.removeAttribute('aria-activedescendant');
	};
	const choose = (file: ListedFile | undefined) => {
		if (file === undefined) return;
		input.value = file.path;
		close();
		select(file);
	};
	const mark = (index: number) => {
		active = index;
		for (const [at, option] of [...list.children].entries()) {
			option.setAttribute('aria-selected', String(at === index));
			if (at === index) option.scrollIntoView({block: 'nearest'});
		}
		if (index >= 0) input.setAttribute('aria-activedescendant', `result-${index}`);
		else input.removeAttribute('aria-activedescendant');
	};
	const show = () => {
		found = findFiles(files, input.value);
		list.replaceChildren(
			...found.map((file, index) => {
				const option = make('li', '');
				option.id = `result-${index}`;
				option.setAttribute('role', 'option');
				option.append(
					make('span', file.path, 'path'),
					make('span', sizeText(file.sizeBytes), 'size'),
				);
				// Before the field loses the focus, which closes the list.
				option.addEventListener('pointerdown', event => {
					event.preventDefault();
					choose(file);
				});
				return option;
			}),
		);
		const hasQuery = input.value.trim() !== '';
		list.hidden = found.length === 0;
		input.setAttribute('aria-expanded', String(found.length > 0));
		count.textContent = hasQuery
			? found.length === 0
				? 'no file listed here has such a path'
				: `${found.length === foundMax ? 'the best ' : ''}${found.length} found`
			: '';
		mark(-1);
	};

	input.addEventListener('input', () => {
		show();
		if (input.value === '') select(undefined);
	});
	input.addEventListener('blur', close);
	input.addEventListener('keydown', event => {
		switch (event.key) {
			case 'ArrowDown':
			case 'ArrowUp': {
				if (list.hidden) show();
				const step = event.key === 'ArrowDown' ? 1 : -1;
				if (found.length > 0) mark((active + step + found.length) % found.length);
				break;
			}
			case 'Enter':
				choose(found[Math.max(0, active)]);
				break;
			case 'Escape':
				if (list.hidden) {
					input.value = '';
					count.textContent = '';
					select(undefined);
				} else close();
				break;
			default:
				return;
		}
		event.preventDefault();
	});
}
