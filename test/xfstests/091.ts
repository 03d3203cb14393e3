/** Directory blocks and hash trees that lead astray. */
import {mkdirSync, writeFileSync} from 'node:fs';
import {type TestContext, xfstest} from './api.ts';
import {type Damage, onlyForTheBrave, survive, uncheckedImage} from './tools/hostile.ts';

const damages: readonly Damage[] = [
	['a record of length 0', image => image.bytes.writeUInt16LE(0, image.block('/d') + 4)],
	['a record of length 3', image => image.bytes.writeUInt16LE(3, image.block('/d') + 16)],
	[
		'a record longer than its block',
		image => image.bytes.writeUInt16LE(0xfffc, image.block('/d') + 16),
	],
	[
		'a name longer than its record',
		image => image.bytes.writeUInt8(255, image.block('/d') + 24 + 6),
	],
	[
		'an inode that is not there',
		image => image.bytes.writeUInt32LE(0xffff_ffff, image.block('/d') + 24),
	],
	['the journal under a name', image => image.bytes.writeUInt32LE(8, image.block('/d') + 24)],
	[
		'a directory that holds itself',
		image => {
			const own = image.bytes.readUInt32LE(image.block('/d'));
			image.bytes.writeUInt32LE(own, image.block('/d') + 24);
		},
	],
	["the root as somebody's child", image => image.bytes.writeUInt32LE(2, image.block('/d') + 24)],
	[
		'a parent that is a file',
		image => {
			const file = image.bytes.readUInt32LE(image.block('/d') + 24);
			image.bytes.writeUInt32LE(file, image.block('/d') + 12);
		},
	],
	['a slash in a name', image => image.bytes.writeUInt8(0x2f, image.block('/d') + 24 + 9)],
	['a NUL in a name', image => image.bytes.writeUInt8(0, image.block('/d') + 24 + 9)],
	['a hash tree of depth 200', image => image.bytes.writeUInt8(200, image.block('/big') + 0x1e)],
	[
		'a hash tree of 65535 entries',
		image => image.bytes.writeUInt16LE(0xffff, image.block('/big') + 0x22),
	],
	[
		'a hash tree that leads to its own root',
		image => image.bytes.writeUInt32LE(0, image.block('/big') + 0x24),
	],
	[
		'a hash tree that leads far out',
		image => image.bytes.writeUInt32LE(0x0fff_ffff, image.block('/big') + 0x2c),
	],
	['a hash of no known kind', image => image.bytes.writeUInt8(77, image.block('/big') + 0x1c)],
];

/** What the damages are done to. */
function populate(t: TestContext): void {
	mkdirSync(t.path('d'));
	for (let index = 0; index < 5; index++) writeFileSync(t.path('d', `file-${index}`), 'f');
	mkdirSync(t.path('d/sub'));
	mkdirSync(t.path('big'));
	for (let index = 0; index < 120; index++) {
		writeFileSync(t.path('big', `${index}-${'n'.repeat(60)}`), '');
	}
}

export const test = xfstest({
	title: 'Directories whose blocks lie are answered with errors',
	groups: ['auto', 'hostile'],
	needs: ['program debugfs'],
	image: uncheckedImage,
	run(t) {
		onlyForTheBrave(t);
		populate(t);
		survive(t, damages);
	},
});
