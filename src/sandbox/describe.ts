import type {SandboxState} from './levels.ts';

/** For people, in one line: the level, what it consists of, and what is missing and why. */
export function describeSandbox({level, layers}: SandboxState): string {
	if (level === 'off') return 'off';
	const active = layers.filter(layer => layer.isActive).map(layer => layer.name);
	const missing = layers
		.filter(layer => !layer.isActive)
		.map(({name, detail}) => `without ${name} (${detail})`);
	return `${level}: ${[...active, ...missing].join(', ')}`;
}
