/**
 * What makes one input: a drive, the base that it starts from, and the seeds of what is done to it,
 * one after another. Written as `read:ext4-1k:12,3456`.
 */

export const driveNames = [
	'read',
	'replay',
	'write',
	'check',
	'requests',
	'disks',
	'arguments',
] as const;
export type DriveName = (typeof driveNames)[number];

export type Recipe = {
	readonly drive: DriveName;
	readonly base: string;
	readonly seeds: readonly number[];
};

export function formatRecipe({drive, base, seeds}: Recipe): string {
	return `${drive}:${base}:${seeds.join(',')}`;
}

/** Throws `RangeError` for what is no recipe. */
export function parseRecipe(text: string): Recipe {
	const [name, base, list] = text.split(':');
	const drive = driveNames.find(each => each === name);
	const seeds = list === '' ? [] : (list?.split(',').map(Number) ?? [Number.NaN]);
	if (drive === undefined || base === undefined || !seeds.every(Number.isSafeInteger)) {
		throw new RangeError(`"${text}" is no recipe such as read:ext4-1k:12,3456`);
	}
	return {drive, base, seeds};
}
