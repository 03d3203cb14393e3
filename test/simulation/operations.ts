/**
 * The operations of the simulation, forty and more. Each draws what it needs from its numbers, and is
 * done to the model and to the file system. Their order gives the steps of a kept failure a meaning.
 */
import {attributeOperations} from './operations/attributes.ts';
import {contentOperations} from './operations/contents.ts';
import {nameOperations} from './operations/names.ts';
import type {Operation} from './operations/operation.ts';
import {volumeOperations} from './operations/volume.ts';

export type {Operation} from './operations/operation.ts';

export const operations: readonly Operation[] = [
	...nameOperations,
	...contentOperations,
	...attributeOperations,
	...volumeOperations,
];

/** One for each time that its weight gives an operation. */
export const weightedOperations: readonly Operation[] = operations.flatMap(operation =>
	Array.from({length: operation.weight}, () => operation),
);
