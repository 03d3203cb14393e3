/** Writes blocks of metadata to their own places, neighbours in one request. */
import type {CachedBlock} from '../block-cache.ts';
import type {BlockDevice} from '../device.ts';

/** `blocks` ascend by number. Does not flush. Throws `DeviceError`. */
export function writeHome(
	device: BlockDevice,
	blockSize: number,
	blocks: readonly CachedBlock[],
): void {
	let run: CachedBlock[] = [];
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
