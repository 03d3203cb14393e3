/** Bits of the metadata flip at random, more and more of them; what follows from a seed can be had again. */
import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {calls, Random, xfstest} from './api.ts';
import {type Damage, onlyForTheBrave, survive, uncheckedImage} from './tools/hostile.ts';

const rounds = 16;
/** Where mke2fs puts the metadata of a file system of this size, the first directories among it. */
const metadataBytes = 400 * 1024;

function flips(seed: number): Damage {
	return [
		`seed ${seed}`,
		({bytes}) => {
			const random = new Random(seed);
			for (let count = 0; count < 20 * seed; count++) {
				const at = 1024 + random.below(metadataBytes);
				bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
			}
		},
	];
}

export const test = xfstest({
	title: 'Flipped bits anywhere in the metadata are borne',
	groups: ['auto', 'hostile', 'stress'],
	image: uncheckedImage,
	run(t) {
		onlyForTheBrave(t);
		for (let index = 0; index < 12; index++) {
			mkdirSync(t.path(`d${index}`));
			writeFileSync(t.path(`d${index}/file`), Buffer.alloc(index * 900, index));
			symlinkSync('file', t.path(`d${index}/link`));
			calls.setXattr(t.path(`d${index}/file`), 'user.name', 'v'.repeat(index * 30));
		}
		survive(
			t,
			Array.from({length: rounds}, (_, index) => flips(index + 1)),
		);
	},
});
