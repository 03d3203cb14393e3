/** What could not be read while a report was made: counted, and the first of them told. */
import {isExpectedError} from '../../ext4/errors.ts';

const keptMax = 100;

export class Problems {
	count = 0;
	readonly kept: {readonly message: string; readonly code: string}[] = [];

	/** Notes what an image or a device can provoke; anything else is a fault of ours and goes on. */
	note(error: unknown): void {
		if (!isExpectedError(error)) throw error;
		this.add(error.message, error.code);
	}

	add(message: string, code: string): void {
		this.count++;
		if (this.kept.length < keptMax) this.kept.push({message, code});
	}

	/** What `action` returns; undefined where the image did not let it. */
	attempt<T>(action: () => T): T | undefined {
		try {
			return action();
		} catch (error) {
			this.note(error);
			return undefined;
		}
	}
}
