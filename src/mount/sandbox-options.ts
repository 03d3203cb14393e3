/** `--sandbox` and `--require-sandbox`, the same for every command that starts a server. */
import {UsageError} from '../cli-error.ts';
import {isAtLeast, type SandboxLevel, sandboxLevels} from '../sandbox/levels.ts';
import type {SandboxRequest} from './launch.ts';

export const sandboxOptions = {
	sandbox: {type: 'string'},
	'require-sandbox': {type: 'string'},
} as const;

type Values = {
	readonly sandbox?: string | undefined;
	readonly 'require-sandbox'?: string | undefined;
};

function parseLevel(word: string, option: string, known: readonly SandboxLevel[]): SandboxLevel {
	const level = known.find(name => name === word);
	if (level === undefined) {
		throw new UsageError(`${option}: ${JSON.stringify(word)} is none of ${known.join(', ')}`);
	}
	return level;
}

/** Throws `UsageError`. */
export function parseSandbox(values: Values): SandboxRequest {
	const wanted = sandboxLevels.filter(level => level !== 'partial');
	const required = parseLevel(
		values['require-sandbox'] ?? 'off',
		'--require-sandbox',
		sandboxLevels,
	);
	const usual = required === 'strict' ? 'strict' : 'normal';
	const level = parseLevel(values.sandbox ?? usual, '--sandbox', wanted);
	if (level === 'partial' || !isAtLeast(level, required)) {
		throw new UsageError(`--sandbox ${level} is less than --require-sandbox ${required}`);
	}
	return {level, required};
}
