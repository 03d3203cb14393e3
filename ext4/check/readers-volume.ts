/**
 * The file system as those who read it see it: for the few things that are found through a mapping
 * once pass 1 has looked at all of these.
 */
import {isExpectedError} from '../errors.ts';
import {Volume} from '../volume.ts';
import type {CheckState} from './state.ts';

const cacheBytes = 2 ** 20;

/** Undefined where it does not open; then `what` (files, values) could not be read, and is given up. */
export function openReadersVolume(state: CheckState, what: string): Volume | undefined {
	try {
		return Volume.openAsItLies(state.device, {cacheBytes});
	} catch (error) {
		if (!isExpectedError(error)) throw error;
		state.giveUp(`${what} could not be read: ${error.message}`);
		return undefined;
	}
}
