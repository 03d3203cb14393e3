/** A server whose memory gives out in the middle of a request, on a real mount. */
import * as fs from 'node:fs';
import path from 'node:path';
import {nodeFlags} from '../../src/mount/launch.ts';
import {RootMount, whyNotMountable} from '../support/root-mount.ts';
import {missing, serialTestUnless} from '../support/skip.ts';
import {WritableImage} from '../support/writable-mount.ts';

/**
 * Loaded before the server: has a LOOKUP of `x` run out of memory, where names as long as `.` are
 * compared with it. What is thrown is V8's own.
 */
const withoutMemory = `
const {every} = Uint8Array.prototype;
Uint8Array.prototype.every = function (...values) {
	if (this.length === 1 && this[0] === 0x78) new ArrayBuffer(2 ** 52);
	return every.apply(this, values);
};
`;

serialTestUnless(
	missing('mke2fs') ?? whyNotMountable(),
	'a server that does not get the memory for a request ends at once',
	async t => {
		await using image = new WritableImage();
		const hook = path.join(image.folder, 'without-memory.mjs');
		fs.writeFileSync(hook, withoutMemory);
		process.env['NODE_FLAGS'] = [...nodeFlags, `--import=${hook}`].join(' ');
		{
			await using mount = await RootMount.open(image.image, {readOnly: false});
			fs.writeFileSync(path.join(mount.directory, 'y'), 'y');
			const thrown = await t.throwsAsync(fs.promises.stat(path.join(mount.directory, 'x')));
			t.regex(thrown?.message ?? '', /^(ECONNABORTED|ENOTCONN):/);
			t.is(await mount.ended, 1);
			t.regex(mount.stderr, /memory is not to be had/);
		}
		t.is(image.recoverAndCheck(), '');
	},
);
