/** Which files a search means. */
import type {ListedFile} from './unpacking.ts';

export const foundMax = 12;

/** Where the words of `query` all stand in the path, the better the shorter and the later they do. */
function rank(path: string, words: readonly string[]): number {
	let score = path.length;
	const name = path.slice(path.lastIndexOf('/') + 1);
	for (const word of words) {
		if (!path.includes(word)) return Number.POSITIVE_INFINITY;
		if (name.startsWith(word)) score -= 1000;
		else if (name.includes(word)) score -= 500;
	}
	return score;
}

export function findFiles(files: readonly ListedFile[], query: string): ListedFile[] {
	const words = query.toLowerCase().split(/\s+/).filter(Boolean);
	if (words.length === 0) return [];
	return files
		.map(file => ({file, score: rank(file.path.toLowerCase(), words)}))
		.filter(({score}) => score !== Number.POSITIVE_INFINITY)
		.sort((a, b) => a.score - b.score)
		.slice(0, foundMax)
		.map(({file}) => file);
}
