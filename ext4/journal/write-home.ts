/** Writes blocks of metadata to their own places, neighbours in one request. */
import type {BlockDevice} from '../device.ts';

/** A block of the file system and what is to lie there. */
export type PlacedBlock = {readonly number: number; readonly bytes: Uint8Array};

/** `blocks` ascend by number. Does not flush. Throws `DeviceError`. */
export function writeHome(
	device: BlockDevice,
	blockSize: number,
	blocks: readonly PlacedBlock[],
): void {
	let run: PlacedBlock[] = [];
	const writeRun = () => {
		const first = run[0];
		if (first === undefined) return;
		device.writeScattered(
			first.number * blockSize,
			run.map(block => block.bytes),
		);
		run = [];
	};
	for (const block of blocks) {
		const previous = run.at(-1);
		if (previous !== undefined && block.number !== previous.number + 1) writeRun();
		run.push(block);
	}
	writeRun();
}
