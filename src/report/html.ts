/**
 * HTML as text in which nothing from an image can be anything but text: what is put into a template
 * is escaped, unless it came out of one.
 */

/** Markup that was made by `html`. */
export class Markup {
	readonly text: string;

	constructor(text: string) {
		this.text = text;
	}
}

type Value = string | number | Markup | readonly Markup[] | undefined;

const entities: {readonly [character: string]: string} = {
	'&': '&amp;',
	'<': '&lt;',
	'>': '&gt;',
	'"': '&quot;',
	"'": '&#39;',
};

export function escapeHtml(text: string): string {
	return text.replace(/[&<>"']/g, character => entities[character] ?? '');
}

function textOf(value: Value): string {
	if (value === undefined) return '';
	if (value instanceof Markup) return value.text;
	if (typeof value === 'object') return value.map(each => each.text).join('');
	return escapeHtml(String(value));
}

/** Attribute values must stand in quotes; nothing may be put into a script or a style this way. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
	let text = strings[0] ?? '';
	for (const [at, value] of values.entries()) text += textOf(value) + (strings[at + 1] ?? '');
	return new Markup(text);
}

/** JSON that can stand in a script element of any type: nothing in it can end the element. */
export function jsonForScript(value: unknown): Markup {
	return new Markup(JSON.stringify(value).replace(/</g, '\\u003c'));
}
