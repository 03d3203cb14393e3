/** What an operation of the simulation is, and what several need. */
import type {Choices} from '../choices.ts';
import type {Node, Place} from '../model.ts';
import type {World} from '../world.ts';

export type Operation = {
	readonly name: string;
	/** How often it comes, against the others. */
	readonly weight: number;
	readonly run: (world: World, choices: Choices) => void;
};

export function placeName({parent, name}: Place): string {
	return `${parent.number}/${name.length > 20 ? `${name.slice(0, 12)}…${name.length}` : name}`;
}

/** Makes something in both, and notes the number that it has got. */
export function make(world: World, subject: () => number, model: () => Node): void {
	let number = 0;
	let node: Node | undefined;
	world.both(
		() => {
			number = subject();
		},
		() => {
			node = model();
		},
	);
	if (node !== undefined) node.number = number;
}
