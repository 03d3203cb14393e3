/** Finding and making elements. Text only ever comes in as text. */

/** The element of that id, which the page has. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
	const element = document.getElementById(id);
	if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
	return element;
}

export function make<K extends keyof HTMLElementTagNameMap>(
	name: K,
	text: string,
	className = '',
): HTMLElementTagNameMap[K] {
	const element = document.createElement(name);
	element.textContent = text;
	if (className !== '') element.className = className;
	return element;
}
