/**
 * The inputs worth starting from, as recipes: a line each in `corpus.txt`. They mean what they mean
 * with the bases and the mutator as they are; after a change of either, `--renew-corpus` finds out
 * which of them still reach something.
 */
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {formatRecipe, parseRecipe, type Recipe} from './recipe.ts';

const path = join(import.meta.dirname, 'corpus.txt');

export function readCorpus(): Recipe[] {
	if (!existsSync(path)) return [];
	return readFileSync(path, 'utf8')
		.split('\n')
		.filter(line => line !== '')
		.map(parseRecipe);
}

export function writeCorpus(recipes: readonly Recipe[]): void {
	const lines = recipes.map(formatRecipe).sort();
	writeFileSync(path, lines.map(line => `${line}\n`).join(''));
}
