/**
 * Checks a damaged image. The checker throws nothing, whatever it is given; and an image in which it
 * finds nothing is read without an error.
 */
import {check} from '../../ext4/check/check.ts';
import {GuardedDevice} from './guarded-device.ts';
import type {Patch} from './patch.ts';
import {smallImage, walkImage} from './walk.ts';

const cacheBytes = 1 << 16;
const findingsMax = 200;
/**
 * Told by what attributes and files hold: entries of an ACL, names with a NUL, hashes of values. No
 * more than e2fsck does the checker look into those; reading does, and so does the kernel.
 */
const contentsCodes = new Set(['EXT4_BAD_ACL', 'EXT4_BAD_XATTR', 'EXT4_BAD_VERITY']);

export function checkImage(patch: Patch): {codes: Set<string>; wasBelieved: boolean} {
	const device = new GuardedDevice(patch, true);
	const checking = check(device, {maxFindings: findingsMax});
	const codes = new Set<string>();
	let step = checking.next();
	for (; step.done !== true; step = checking.next()) codes.add(step.value.code);
	const {outcome, givenUp, replayed} = step.value;
	const isWell = outcome === 'checked' && givenUp.length === 0 && codes.size === 0;
	// What a journal would mend is no finding; but like the kernel's, our mount needs descriptors that
	// are well before it comes to the journal.
	if (isWell && replayed === undefined) {
		const {errors} = walkImage(device, cacheBytes, smallImage);
		const damage = [...errors.keys()].filter(
			code => code.startsWith('EXT4_BAD_') && !contentsCodes.has(code),
		);
		if (damage.length > 0) throw new Error(`found well, and read with ${damage.join(' ')}`);
	}
	return {codes, wasBelieved: outcome === 'checked'};
}
