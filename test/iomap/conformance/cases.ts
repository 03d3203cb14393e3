/** All cases of the rules. */
import {attributeCases} from './cases/attributes.ts';
import {beginCases} from './cases/begin.ts';
import {cacheCases} from './cases/cache.ts';
import {interruptCases} from './cases/interrupts.ts';
import {ioendCases} from './cases/ioend.ts';
import type {Case} from './cases/kit.ts';
import {negotiationCases} from './cases/negotiation.ts';
import {wholeCases} from './cases/whole.ts';
import {workCases} from './cases/work.ts';

export type {Case, Check} from './cases/kit.ts';

export const cases: readonly Case[] = [
	...negotiationCases,
	...beginCases,
	...ioendCases,
	...wholeCases,
	...attributeCases,
	...workCases,
	...interruptCases,
	...cacheCases,
];
