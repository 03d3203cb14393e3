/** How much stands around a server: asked for by name, ordered from nothing to all. */
export const sandboxLevels = ['off', 'partial', 'normal', 'strict'] as const;

/**
 * - `strict`: as normal, and no memory is ever executable that was not the program's (V8 interprets);
 * - `normal`: namespaces and an empty root of its own, system calls filtered;
 * - `partial`: never asked for: a machine that gives no namespaces; system calls are filtered;
 * - `off`: none of it, only because it was asked for.
 */
export type SandboxLevel = (typeof sandboxLevels)[number];

/** `partial` is what may be left of what was wanted, and can't be wanted itself. */
export type WantedLevel = Exclude<SandboxLevel, 'partial'>;

export function isAtLeast(level: SandboxLevel, required: SandboxLevel): boolean {
	return sandboxLevels.indexOf(level) >= sandboxLevels.indexOf(required);
}

/** One thing that stands between the server and the machine. */
export type Layer = {
	readonly name: string;
	readonly isActive: boolean;
	/** What it consists of; or why it is missing. */
	readonly detail: string;
};

export type SandboxState = {
	readonly level: SandboxLevel;
	readonly wanted: SandboxLevel;
	readonly required: SandboxLevel;
	readonly layers: readonly Layer[];
};
