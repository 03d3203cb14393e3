/**
 * Counts which pieces of the program run: as modules are loaded, a counter goes into every branch
 * that Acorn finds in them. V8's own coverage would tell the same, but takes the program
 * milliseconds whenever it is asked; these counters are read in microseconds.
 *
 * To be installed before the modules that it is to see are imported.
 */
import {readFileSync} from 'node:fs';
import {registerHooks, stripTypeScriptTypes} from 'node:module';
import {join} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {type Node, parse} from 'acorn';

const rooms = ['ext4', 'iomap', 'src', 'images'];
const root = join(import.meta.dirname, '../..');
const prefixes = rooms.map(room => pathToFileURL(join(root, room)).href);

/** More than the program has branches. */
const countersMax = 2 ** 15;
export const counters = new Uint16Array(countersMax);
/** Of each counter: the file that it lies in. */
export const counterFiles: string[] = [];

const key = 'ext4boxFuzzCounters';

type Insertion = {readonly at: number; readonly text: string};

function isNode(value: unknown): value is Node {
	return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** A node's children by the names that ESTree gives them. */
function childOf(node: Node, name: string): Node | undefined {
	const child: unknown = Reflect.get(node, name);
	return isNode(child) ? child : undefined;
}

class Instrumenter {
	readonly insertions: Insertion[] = [];
	readonly #file: string;

	constructor(file: string) {
		this.#file = file;
	}

	#count(): string {
		const index = counterFiles.push(this.#file) - 1;
		if (index >= countersMax) throw new RangeError('more branches than counters');
		return `__c[${index}]++`;
	}

	#statement(node: Node | undefined): void {
		if (node === undefined) return;
		if (node.type === 'BlockStatement') {
			this.insertions.push({at: node.start + 1, text: `${this.#count()};`});
		} else {
			this.insertions.push({at: node.start, text: `{${this.#count()};`});
			this.insertions.push({at: node.end, text: '}'});
		}
	}

	#expression(node: Node | undefined): void {
		if (node === undefined) return;
		this.insertions.push({at: node.start, text: `(${this.#count()},`});
		this.insertions.push({at: node.end, text: ')'});
	}

	visit(node: Node): void {
		switch (node.type) {
			case 'FunctionDeclaration':
			case 'FunctionExpression':
			case 'ArrowFunctionExpression': {
				const body = childOf(node, 'body');
				if (body?.type === 'BlockStatement') this.#statement(body);
				else this.#expression(body);
				break;
			}
			case 'IfStatement':
				this.#statement(childOf(node, 'consequent'));
				this.#statement(childOf(node, 'alternate'));
				break;
			case 'ForStatement':
			case 'ForOfStatement':
			case 'ForInStatement':
			case 'WhileStatement':
			case 'DoWhileStatement':
			case 'CatchClause':
				this.#statement(childOf(node, 'body'));
				break;
			case 'ConditionalExpression':
				this.#expression(childOf(node, 'consequent'));
				this.#expression(childOf(node, 'alternate'));
				break;
			case 'LogicalExpression':
				this.#expression(childOf(node, 'right'));
				break;
			case 'SwitchCase': {
				const [first] = Reflect.get(node, 'consequent') as Node[];
				if (first !== undefined) {
					this.insertions.push({at: first.start, text: `${this.#count()};`});
				}
				break;
			}
			default:
				break;
		}
		for (const value of Object.values(node)) {
			for (const child of Array.isArray(value) ? value : [value]) {
				if (isNode(child)) this.visit(child);
			}
		}
	}
}

/** `source` without its types and with its counters, all in the lines in which it was. */
export function instrument(source: string, file: string): string {
	const text = stripTypeScriptTypes(source);
	const instrumenter = new Instrumenter(file);
	instrumenter.visit(parse(text, {ecmaVersion: 'latest', sourceType: 'module'}));
	let end = text.length;
	const parts: string[] = [];
	// At one place the later insertion is the outer one's end or the inner one's beginning.
	const ordered = instrumenter.insertions
		.map((insertion, order) => ({...insertion, order}))
		.sort(
			(a, b) => b.at - a.at || (a.text === ')' || a.text === '}' ? -1 : 1) || b.order - a.order,
		);
	for (const {at, text: inserted} of ordered) {
		parts.push(text.slice(at, end), inserted);
		end = at;
	}
	parts.push(text.slice(0, end));
	return `const __c=globalThis.${key};${parts.reverse().join('')}`;
}

export function installCounters(): void {
	Object.defineProperty(globalThis, key, {value: counters});
	registerHooks({
		load(url, context, nextLoad) {
			if (!prefixes.some(prefix => url.startsWith(`${prefix}/`)) || !url.endsWith('.ts')) {
				return nextLoad(url, context);
			}
			const path = fileURLToPath(url);
			const source = instrument(readFileSync(path, 'utf8'), path.slice(root.length + 1));
			return {format: 'module', source, shortCircuit: true};
		},
	});
}
