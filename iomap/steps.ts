/** Work on one file that may take several transactions. */
import {type Handle, type MutableInode, touchedBlocksMax, type Volume} from '../ext4/index.ts';

/** As `Volume.transact` takes them, for each of the transactions. */
export type ChangeOptions = {
	/** Blocks kept for root may be taken, and the limits of quotas passed over. */
	readonly mayUseReserved?: boolean;
};

/** A step may do two things, of which each stops at `touchedBlocksMax` and a little more. */
const stepCredits = 2 * touchedBlocksMax + 64;

/**
 * Runs `step` in one handle after another, each with the inode as it is then, until it says that
 * nothing is left. It is given what the step before has returned, `first` in the beginning; it may
 * be tried anew, so it keeps nothing anywhere else.
 */
export function inSteps<State>(
	volume: Volume,
	number: number,
	options: ChangeOptions,
	first: State,
	step: (handle: Handle, inode: MutableInode, state: State) => {readonly next: State} | 'done',
): void {
	for (let state = first; ; ) {
		const result = volume.transact(
			// An open file may have no links any more.
			handle => step(handle, volume.readReservedInode(number), state),
			{...options, credits: stepCredits},
		);
		if (result === 'done') return;
		state = result.next;
	}
}
