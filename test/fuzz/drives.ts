/** What can be done with an input: each drive throws only what no input may provoke. */
import {driveArguments} from './arguments.ts';
import {checkImage} from './check.ts';
import {driveDisks} from './disks.ts';
import {GuardedDevice} from './guarded-device.ts';
import {Images} from './images.ts';
import type {DriveName, Recipe} from './recipe.ts';
import {replayImage} from './replay.ts';
import {driveRequests} from './requests.ts';
import {smallImage, walkImage} from './walk.ts';
import {writeToImage} from './write.ts';

const cacheBytes = 1 << 16;
const operationsPerImage = 40;

export type Outcome = {
	/** Codes of the errors that the input was refused with. */
	readonly codes: Iterable<string>;
	/** Whether it was taken for what it claims to be, as far as the drive can tell. */
	readonly wasBelieved: boolean;
};

export class Drives {
	readonly #images = new Images();

	/** What inputs of a drive start from. */
	basesOf(drive: DriveName): readonly string[] {
		switch (drive) {
			case 'read':
			case 'write':
			case 'check':
			case 'requests':
				return this.#images.names;
			case 'replay':
				return this.#images.names.filter(name => /log|journal|fastcommit|kernel/.test(name));
			case 'disks':
			case 'arguments':
				return [''];
		}
	}

	/** How large the image is that the recipe makes, in bytes; 0 where it starts from none. */
	sizeOf({base}: Recipe): number {
		return base === '' ? 0 : this.#images.get(base).patch.bytes.length;
	}

	/** The image that the recipe makes, and what was done to it. */
	image(recipe: Recipe): {readonly story: readonly string[]; readonly bytes: Uint8Array} {
		if (recipe.base === '') return {story: [], bytes: new Uint8Array(0)};
		const image = this.#images.get(recipe.base);
		return image.with(recipe.seeds, story => ({story, bytes: image.patch.bytes.slice()}));
	}

	run({drive, base, seeds}: Recipe): Outcome | Promise<Outcome> {
		if (drive === 'arguments') return driveArguments(seeds);
		if (drive === 'disks') return driveDisks(seeds);
		const image = this.#images.get(base);
		const last = seeds.at(-1) ?? 0;
		switch (drive) {
			case 'read':
				return image.with(seeds, () => {
					const device = new GuardedDevice(image.patch, true);
					// The server costs as much as all else; and `requests` is its own drive.
					const limits = {...smallImage, served: last % 8 === 0 ? 3 : 0};
					const {errors, passedSuperblock} = walkImage(device, cacheBytes, limits);
					return {codes: errors.keys(), wasBelieved: passedSuperblock};
				});
			case 'replay':
				return image.with(seeds, () => replayImage(image.patch));
			case 'check':
				return image.with(seeds, () => checkImage(image.patch));
			case 'write':
				return image.with(seeds, () => {
					const device = new GuardedDevice(image.patch, false);
					const {codes, done} = writeToImage(device, last, operationsPerImage);
					walkImage(new GuardedDevice(image.patch, true), cacheBytes, smallImage);
					return {codes, wasBelieved: done > 0};
				});
			case 'requests':
				// Half of the images are well: what is wrong then is the request alone.
				return image.with(last % 2 === 0 ? [] : seeds.slice(0, 1), () =>
					driveRequests(image.patch, seeds),
				);
		}
	}
}
