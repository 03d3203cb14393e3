import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

const sizes = [
	0, 1, 2, 30, 31, 32, 60, 100, 255, 256, 1000, 2000, 3000, 3900, 4000, 4096, 65_536, 65_537,
];

export const test = xfstest({
	title: 'Extended attributes of every size are kept or refused, in the inode and in a block',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['xattr'],
	run(t) {
		const value = (size: number) => Buffer.alloc(size, 65 + (size % 26));
		for (const size of sizes) {
			const path = t.path(`file-${size}`);
			writeFileSync(path, '');
			t.attempt(`${size} bytes`, () => {
				calls.setXattr(path, 'user.value', value(size));
				return calls.sizeOfXattr(path, 'user.value');
			});
		}
		const path = t.path('file');
		writeFileSync(path, '');
		t.attempt('one that is not there', () => calls.getXattr(path, 'user.a'));
		t.attempt('replacing it', () => calls.setXattr(path, 'user.a', '1', calls.xattr.replace));
		t.attempt('making it', () => calls.setXattr(path, 'user.a', '1', calls.xattr.create));
		t.attempt('making it again', () => calls.setXattr(path, 'user.a', '2', calls.xattr.create));
		t.attempt('replacing it now', () => calls.setXattr(path, 'user.a', '3', calls.xattr.replace));
		t.attempt('its value', () => calls.getXattr(path, 'user.a').toString());
		t.attempt('removing it', () => calls.removeXattr(path, 'user.a'));
		t.attempt('removing it again', () => calls.removeXattr(path, 'user.a'));
		t.attempt('no name', () => calls.setXattr(path, 'user.', 'x'));
		t.attempt('a name of 255 bytes', () => calls.setXattr(path, `user.${'n'.repeat(250)}`, 'long'));
		t.attempt('a name of 256 bytes', () => calls.setXattr(path, `user.${'n'.repeat(251)}`, 'x'));
		t.attempt('no namespace', () => calls.setXattr(path, 'nothing.at.all', 'x'));
		t.attempt('bytes in a name', () =>
			calls.setXattr(path, Buffer.from('user.\xff\x01', 'latin1'), 'x'),
		);
		symlinkSync('file', t.path('link'));
		t.attempt('user. of a symbolic link', () => calls.setXattr(t.path('link'), 'user.a', 'x'));
		mkdirSync(t.path('folder'));
		t.attempt('of a directory', () => calls.setXattr(t.path('folder'), 'user.a', 'of a directory'));

		// From the inode into a block, grown and shrunk, until there is no more room.
		const many = t.path('many');
		writeFileSync(many, '');
		let count = 0;
		while (t.codeOf(() => calls.setXattr(many, `user.${count}`, value(20))) === undefined) count++;
		t.attempt('one too many', () => calls.setXattr(many, `user.${count}`, value(20)));
		t.print(`listed: ${calls.listXattrs(many).length === count}`);
		for (let index = 0; index < count; index += 2) calls.removeXattr(many, `user.${index}`);
		t.attempt('a large one where small ones were', () =>
			calls.setXattr(many, 'user.large', value(600)),
		);
		t.attempt('shrunk', () => calls.setXattr(many, 'user.large', value(3)));
		t.attempt('grown beyond all room', () => calls.setXattr(many, 'user.large', value(4000)));
		t.remount();
		for (const size of sizes) {
			const found = t.codeOf(() => calls.getXattr(t.path(`file-${size}`), 'user.value'));
			const isSame = Buffer.isBuffer(found) && found.equals(value(size));
			if (!isSame) t.print(`${size} bytes: ${found}`);
		}
		const wrong: string[] = [];
		for (let index = 1; index < count; index += 2) {
			const found = t.codeOf(() => calls.getXattr(many, `user.${index}`));
			if (!Buffer.isBuffer(found) || !found.equals(value(20)))
				wrong.push(`user.${index}: ${found}`);
		}
		t.verdict('of many, those that were left', wrong);
		t.print(`the large one: ${calls.getXattr(many, 'user.large')}`);
		t.print(
			`names of the file: ${calls.listXattrs(path).map(name => `${name.length} ${name.slice(0, 8)}`)}`,
		);
		t.print(`of the directory: ${calls.getXattr(t.path('folder'), 'user.a')}`);
	},
});
