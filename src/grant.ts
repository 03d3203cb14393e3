/**
 * What the mount helper had the right to give this mount, as it says itself in the environment
 * (mount-helper/grant.h): lines of fields parted by tabs, `iomap WORD DETAIL` and `loop WORD DETAIL...`.
 */
export const grantVariable = 'EXT4BOX_GRANT';

/**
 * Whether the kernel may move data itself: `unasked` where the mount is not to have it; else why not:
 * the kernel has none, its switch is off, a policy forbids it, there is to be no device for it, nobody had the
 * right, or an error.
 */
export type IomapAnswer = (typeof iomapAnswers)[number];
const iomapAnswers = [
	...(['unasked', 'granted', 'kernel', 'switch', 'policy', 'withheld'] as const),
	...(['permission', 'failed'] as const),
] as const;

/** `none`: nobody wanted one. */
export type LoopAnswer =
	| {readonly kind: 'none' | 'policy' | 'permission'}
	| {readonly kind: 'attached'; readonly device: string; readonly isDirect: boolean}
	| {readonly kind: 'failed'; readonly reason: string};

export type Grant = {
	/** `detail`: of `failed`, the error. */
	readonly iomap: {readonly answer: IomapAnswer; readonly detail: string};
	readonly loop: LoopAnswer;
};

function parseIomap([word, detail]: readonly string[]): Grant['iomap'] | undefined {
	const answer = iomapAnswers.find(known => known === word);
	return answer === undefined || detail === undefined ? undefined : {answer, detail};
}

function parseLoop([word, detail, how]: readonly string[]): LoopAnswer | undefined {
	switch (word) {
		case 'none':
		case 'policy':
		case 'permission':
			return {kind: word};
		case 'attached':
			return detail === undefined || (how !== 'direct' && how !== 'buffered')
				? undefined
				: {kind: word, device: detail, isDirect: how === 'direct'};
		case 'failed':
			return detail === undefined ? undefined : {kind: word, reason: detail};
		default:
			return undefined;
	}
}

/** Throws `TypeError` where the text is not the helper's: the two come from one build. */
export function parseGrant(text: string | undefined): Grant {
	const lines = (text ?? '').split('\n').map(line => line.split('\t'));
	const fieldsOf = (name: string) => lines.find(([first]) => first === name)?.slice(1) ?? [];
	const iomap = parseIomap(fieldsOf('iomap'));
	const loop = parseLoop(fieldsOf('loop'));
	if (iomap === undefined || loop === undefined) {
		throw new TypeError(`${grantVariable} is ${JSON.stringify(text ?? null)}`);
	}
	return {iomap, loop};
}
