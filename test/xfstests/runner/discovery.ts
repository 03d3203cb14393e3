/** Which tests there are, and which of them are meant. */
import {existsSync, readdirSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import type {Definition, Group} from '../api.ts';

export const testFolder = resolve(import.meta.dirname, '..');

export type Test = {
	/** Three digits. */
	readonly number: string;
	readonly file: string;
	/** Where its golden output lies. */
	readonly golden: string;
	readonly definition: Definition;
};

/** The definition in a test's file. Throws where it has none. */
export async function importTest(file: string): Promise<Definition> {
	const module: {readonly test?: Definition} = await import(pathToFileURL(file).href);
	if (module.test === undefined) throw new Error(`${file} exports no "test"`);
	return module.test;
}

/** All the tests, by number. */
export async function allTests(folder = testFolder): Promise<Test[]> {
	const numbers = readdirSync(folder).flatMap(name => /^(\d{3})\.ts$/.exec(name)?.[1] ?? []);
	return await Promise.all(
		numbers.sort().map(async number => {
			const file = join(folder, `${number}.ts`);
			const golden = join(folder, `${number}.out`);
			return {number, file, golden, definition: await importTest(file)};
		}),
	);
}

export type Selection = {
	/** Without any, all. */
	readonly numbers: readonly string[];
	/** A test is in one of them; without any, all. */
	readonly groups: readonly Group[];
	/** Groups and numbers. */
	readonly excluded: readonly string[];
};

/** Throws where a number is no test's. */
export function select(tests: readonly Test[], selection: Selection): Test[] {
	const {numbers, groups, excluded} = selection;
	const unknown = numbers.find(number => !tests.some(test => test.number === number));
	if (unknown !== undefined) throw new RangeError(`there is no test ${unknown}`);
	return tests.filter(test => {
		const own: readonly string[] = [test.number, ...test.definition.groups];
		if (excluded.some(word => own.includes(word))) return false;
		if (numbers.length > 0 && !numbers.includes(test.number)) return false;
		return groups.length === 0 || groups.some(group => own.includes(group));
	});
}

export function hasGolden(test: Test): boolean {
	return existsSync(test.golden);
}
