/** A page that `report` made, taken apart again. */
import assert from 'node:assert/strict';
import type {PageFacts} from '../../src/report/page/format.ts';
import {type Unpacked, unpack} from '../../src/report/page/unpacking.ts';

export type ReadPage = {readonly facts: PageFacts; readonly data: Unpacked};

export async function readPage(html: string): Promise<ReadPage> {
	const facts = /<script type="application\/json" id="facts">([^<]*)<\/script>/.exec(html)?.[1];
	const data = /<script type="text\/plain" id="data">([^<]*)<\/script>/.exec(html)?.[1];
	assert(facts !== undefined && data !== undefined, 'the page has no data');
	const parsed = JSON.parse(facts) as PageFacts;
	return {facts: parsed, data: await unpack(data, parsed.unitBlocks, parsed.blockCount)};
}

/** The class of every block. */
export function classesOf({facts, data}: ReadPage): Uint8Array {
	const classes = new Uint8Array(facts.blockCount);
	const {starts, kinds} = data.spans;
	for (const [at, kind] of kinds.entries()) classes.fill(kind, starts[at], starts[at + 1]);
	return classes;
}
