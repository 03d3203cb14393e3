/** A failure the program names: printed as one line (or a few), no stack, and an exit status. */
export class CliError extends Error {
	readonly exitCode: number;

	constructor(message: string, exitCode = 1) {
		super(message);
		this.name = 'CliError';
		this.exitCode = exitCode;
	}
}

/** The command line itself is wrong; exit status 2. */
export class UsageError extends CliError {
	constructor(message: string) {
		super(message, 2);
		this.name = 'UsageError';
	}
}
