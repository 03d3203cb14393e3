/** What a test asks `holed-server.ts` to do, in the image that it is given. */
import type {SystemCallName} from '../../src/sandbox/system-calls.ts';

export type HoleValue =
	| number
	| {readonly kind: 'path'; readonly path: string}
	| {readonly kind: 'bytes'; readonly hex: string};

export type HoleRequest = {readonly call: SystemCallName; readonly values: readonly HoleValue[]};

export const answersAt = 65_536;

export const path = (text: string): HoleValue => ({kind: 'path', path: text});
export const bytes = (buffer: Buffer): HoleValue => ({
	kind: 'bytes',
	hex: buffer.toString('hex'),
});
