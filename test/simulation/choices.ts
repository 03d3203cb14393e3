/** What an operation is done to: chosen by numbers, so that a shorter sequence still means something. */
import type {ModelAcl} from './acl.ts';
import type {NewNode, Node, Owner, Place} from './model.ts';
import type {World} from './world.ts';

/** Numbers from 0 to 2^31 - 1; drawn one after another, and from the last one on from their sum. */
export class Choices {
	readonly #numbers: readonly number[];
	#drawn = 0;
	#state: number;

	constructor(numbers: readonly number[]) {
		this.#numbers = numbers;
		this.#state = numbers.reduce((sum, number) => (Math.imul(sum, 31) + number) >>> 0, 17);
	}

	/** From 0 to `count - 1`. */
	below(count: number): number {
		return this.#next() % count;
	}

	between(from: number, to: number): number {
		return from + this.below(to - from + 1);
	}

	isOneIn(count: number): boolean {
		return this.below(count) === count - 1;
	}

	of<T>(options: readonly T[]): T | undefined {
		return options.length === 0 ? undefined : options[this.below(options.length)];
	}

	bytes(length: number): Uint8Array {
		const bytes = new Uint8Array(length);
		let state = this.#next() | 1;
		for (let at = 0; at < length; at++) {
			state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
			bytes[at] = state >>> 16;
		}
		return bytes;
	}

	#next(): number {
		const number = this.#numbers[this.#drawn++];
		if (number !== undefined) return number;
		this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
		return this.#state >>> 1;
	}
}

const owners: readonly Owner[] = [
	{uid: 0, gid: 0},
	{uid: 1000, gid: 1000},
	{uid: 70_000, gid: 100_000},
];

export function chooseOwner(choices: Choices): Owner {
	return owners[choices.below(owners.length)] ?? {uid: 0, gid: 0};
}

export function chooseNewFile(choices: Choices): NewNode {
	const mode = choices.of([0o644, 0o600, 0o755, 0o777, 0o4755, 0o2755, 0o1777]) ?? 0;
	return {...chooseOwner(choices), mode, umask: choices.of([0, 0o022, 0o077]) ?? 0};
}

/** One of so many names: short, long, in either case, not UTF-8. */
export function chooseName(world: World, choices: Choices, count = 40): string {
	const number = choices.below(count);
	switch (choices.below(10)) {
		case 0:
			return `${'long name '.repeat(11 + (number % 3))}${number}`;
		case 1:
			return `NAME ${number}`;
		case 2:
			// e2fsck 1.47 takes the hash of the entry before for that of a name that can't be folded.
			return world.features.isCasefolded === true ? `other ${number}` : `\xff\xfe${number}`;
		case 3:
			return `${'x'.repeat(252)}${100 + number}`;
		default:
			return `name ${number}`;
	}
}

export function chooseDirectory(world: World, choices: Choices): Node {
	const directories = world.model.nodes().filter(node => node.type === 'directory');
	// Mostly among few, so that they come to hold many names.
	const among = choices.isOneIn(3) ? directories : directories.slice(0, 4);
	return choices.of(among) ?? world.model.root;
}

export function chooseNewPlace(world: World, choices: Choices): Place {
	return {parent: chooseDirectory(world, choices), name: chooseName(world, choices)};
}

/** A place where there is something, mostly. */
export function choosePlace(world: World, choices: Choices): Place {
	const place = chooseNewPlace(world, choices);
	if (choices.isOneIn(8)) return place;
	const child = choices.of([...place.parent.children.values()]);
	return child === undefined ? place : {parent: place.parent, name: child.name};
}

/** Any inode: with a name, or open without one. */
export function chooseNode(world: World, choices: Choices): Node {
	const held = choices.isOneIn(5) ? choices.of([...world.model.held]) : undefined;
	return held ?? choices.of(world.model.nodes()) ?? world.model.root;
}

export function chooseFile(world: World, choices: Choices): Node | undefined {
	const isFile = (node: Node) => node.type === 'file';
	const held = choices.isOneIn(4) ? choices.of([...world.model.held].filter(isFile)) : undefined;
	return held ?? choices.of(world.model.nodes().filter(isFile));
}

export function chooseAcl(choices: Choices): ModelAcl {
	const minimal = {owner: choices.below(8), group: choices.below(8), other: choices.below(8)};
	if (choices.isOneIn(4)) return minimal;
	const user = {id: choices.between(1, 3), permissions: choices.below(8)};
	return {...minimal, user, mask: choices.below(8)};
}
