/** One random sequence through the kernel in memory, and all that judges what it leaves. */
import {mountIomap, type ServedMount} from '../../support/iomap-kernel/mounted.ts';
import {assertContents, RandomWork} from '../../support/iomap-kernel/random.ts';

const stepsMax = 120;

/** Serves an image, whose bytes it changes. */
export type Mounter = (image: Uint8Array) => ServedMount;

/**
 * Does what `seed` stands for on a copy of `image`; holds what is read against arrays of bytes, has
 * e2fsck judge, and reads all through another mount. Throws where anything is wrong, with what was done.
 */
export function runSequence(image: Uint8Array, seed: number, mounter: Mounter = mountIomap): void {
	const copy = image.slice();
	using mount = mounter(copy);
	const work = new RandomWork(mount, seed);
	try {
		for (let step = 0; step < stepsMax; step++) work.step();
		const problem = mount.end();
		if (problem !== undefined) throw new Error(problem);
		if (mount.problems.length > 0) throw new Error(mount.problems.join('\n'));
		assertContents(mountIomap(copy), work);
	} catch (error) {
		const parts = [work.log.slice(-40), mount.kernel.trace.slice(-20)];
		const story = parts.map(part => part.join('\n')).join('\n\n');
		throw new Error(`seed ${seed}: ${String(error)}\n${story}`, {cause: error});
	}
}
