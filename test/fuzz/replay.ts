/** Brings a damaged journal home, on the medium, and reads what has become of the image. */
import {closeVolume, isExpectedError, openForWriting, Volume} from '../../ext4/index.ts';
import {GuardedDevice} from './guarded-device.ts';
import type {Patch} from './patch.ts';
import {smallImage, walkImage} from './walk.ts';

const cacheBytes = 1 << 16;

export function replayImage(patch: Patch): {codes: Set<string>; wasBelieved: boolean} {
	const codes = new Set<string>();
	const attempt = (action: () => void): boolean => {
		try {
			action();
			return true;
		} catch (error) {
			if (!isExpectedError(error)) throw error;
			codes.add(error.code);
			return false;
		}
	};
	let isClosed = false;
	const wasBelieved = attempt(() => {
		const volume = openForWriting(new GuardedDevice(patch, false), {
			clock: () => ({seconds: 1_750_000_000, nanoseconds: 0}),
			randomUint32: () => 4,
			mmp: {sleep: () => {}, nodeName: 'fuzz', deviceName: 'memory'},
		});
		isClosed = attempt(() => closeVolume(volume));
	});
	if (isClosed) {
		attempt(() => {
			const volume = Volume.open(new GuardedDevice(patch, true));
			if (volume.recovery !== undefined) throw new Error('closed, and still to be replayed');
		});
	}
	const {errors} = walkImage(new GuardedDevice(patch, true), cacheBytes, smallImage);
	for (const code of errors.keys()) codes.add(code);
	return {codes, wasBelieved};
}
