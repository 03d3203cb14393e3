/** What is wrong with an image before any file system in it is looked at. */

/** Codes are stable: scripts and tests may rely on them. One code for one way to be wrong. */
export type ImageCode =
	| 'IMAGE_NOT_FOUND'
	| 'IMAGE_FORBIDDEN'
	| 'IMAGE_NOT_OPENED'
	| 'IMAGE_IN_USE'
	| 'IMAGE_IS_DIRECTORY'
	| 'IMAGE_NOT_A_FILE'
	| 'IMAGE_EMPTY'
	| 'IMAGE_TRUNCATED'
	| 'IMAGE_NOT_EXT'
	| 'IMAGE_BAD_OFFSET'
	| 'IMAGE_BAD_PARTITION_TABLE'
	| 'IMAGE_NO_PARTITION_TABLE'
	| 'IMAGE_NO_SUCH_PARTITION'
	| 'IMAGE_NO_EXT_PARTITION'
	| 'IMAGE_SEVERAL_PARTITIONS';

/** The image can't be opened as what was asked for; the message says what to do, where that is known. */
export class ImageError extends Error {
	override readonly name = 'ImageError';
	readonly code: ImageCode;

	constructor(code: ImageCode, message: string, cause?: unknown) {
		super(message, cause === undefined ? undefined : {cause});
		this.code = code;
	}
}

/**
 * Text from an image, fit for one line of a message: control characters, which could rewrite a
 * terminal, come out as \xNN, and those that turn the direction of writing as \uNNNN.
 */
export function printable(text: string): string {
	return text.replace(
		/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
		character => {
			const code = character.charCodeAt(0);
			return code < 0x100
				? `\\x${code.toString(16).padStart(2, '0')}`
				: `\\u${code.toString(16).padStart(4, '0')}`;
		},
	);
}

/** A size for people: `10.0 MiB`; whole bytes below 1 KiB. */
export function sizeText(sizeBytes: number): string {
	const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
	if (sizeBytes < 1024) return `${sizeBytes} bytes`;
	let value = sizeBytes;
	let unit = '';
	for (unit of units) {
		value /= 1024;
		if (value < 1024) break;
	}
	return `${value.toFixed(1)} ${unit}`;
}
