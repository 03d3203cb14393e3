/**
 * What the mount helper has put around this process before it became Node, as it says itself in
 * the environment (mount-helper/sandbox.c). Lines of fields parted by tabs: `wanted LEVEL`,
 * `required LEVEL`, then `NAME yes|no DETAIL` for each layer.
 */
import {type Layer, type SandboxLevel, sandboxLevels} from './levels.ts';

export const reportVariable = 'EXT4BOX_SANDBOX';

export type HelperReport = {
	readonly wanted: SandboxLevel;
	readonly required: SandboxLevel;
	readonly layers: readonly Layer[];
};

function parseLevel(lines: readonly string[][], name: string): SandboxLevel {
	const word = lines.find(([first]) => first === name)?.[1];
	const level = sandboxLevels.find(known => known === word);
	if (level === undefined) {
		throw new TypeError(`${reportVariable}: ${name} is ${JSON.stringify(word ?? null)}`);
	}
	return level;
}

/** Throws `TypeError` where the text is not the helper's: the two come from one build. */
export function parseHelperReport(text: string | undefined): HelperReport {
	const lines = (text ?? '')
		.split('\n')
		.filter(line => line !== '')
		.map(line => line.split('\t'));
	const layers = lines.flatMap(([name, state, detail]): Layer[] => {
		if (name === undefined || name === 'wanted' || name === 'required') return [];
		if ((state !== 'yes' && state !== 'no') || detail === undefined) {
			throw new TypeError(`${reportVariable}: layer ${name} is not understood`);
		}
		return [{name, isActive: state === 'yes', detail}];
	});
	return {
		wanted: parseLevel(lines, 'wanted'),
		required: parseLevel(lines, 'required'),
		layers,
	};
}
