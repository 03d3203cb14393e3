/** A directory whose names are the same in capitals and small letters. */
import {
	closeSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	renameSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import {calls, type Place, xfstest} from './api.ts';
import {anotherIfKnown} from './tools/another.ts';

const casefold = 0x4000_0000; // FS_CASEFOLD_FL

function show(place: Place): string {
	return readdirSync(`${place.dir}/folded`).sort().join(' ');
}

export const test = xfstest({
	title: 'A folded directory keeps the spelling that a name was made with, and finds it by any',
	groups: ['auto', 'quick', 'metadata'],
	image: {size: '16M'},
	run(t) {
		if (t.system === 'fuse2fs') t.notRun('fuse2fs does not fold names');
		const place = anotherIfKnown(t, 'unicode', {
			mkfs: ['-t', 'ext4', '-O', 'casefold'],
			size: '16M',
		});
		const at = (name: string) => `${place.dir}/folded/${name}`;
		mkdirSync(`${place.dir}/folded`);
		const folder = openSync(`${place.dir}/folded`, 'r');
		t.attempt('folding', () => calls.setFlags(folder, calls.getFlags(folder) | casefold));
		closeSync(folder);
		writeFileSync(at('Straße'), 'street');
		t.print(`STRASSE: ${t.codeOf(() => readFileSync(at('STRASSE'), 'utf8'))}`);
		t.print(`straSSe: ${t.codeOf(() => readFileSync(at('straSSe'), 'utf8'))}`);
		t.attempt('made again in capitals', () => closeSync(openSync(at('STRASSE'), 'wx')));
		// One is composed, the other is not.
		writeFileSync(at('Å'), 'ring');
		t.print(`decomposed: ${t.codeOf(() => readFileSync(at('a\u030a'), 'utf8'))}`);
		t.print(show(place));
		renameSync(at('straße'), at('STRASSE'));
		t.print(`renamed to another spelling of itself: ${show(place)}`);
		for (let index = 0; index < 500; index++)
			writeFileSync(at(`Name-${index}-${'x'.repeat(60)}`), `${index}`);
		place.remount();
		let missed = 0;
		for (let index = 0; index < 500; index++) {
			const found = readFileSync(at(`nAmE-${index}-${'X'.repeat(60)}`), 'utf8');
			if (found !== `${index}`) missed++;
		}
		t.print(`not found in an index: ${missed}`);
		for (let index = 0; index < 500; index++) unlinkSync(at(`NAME-${index}-${'x'.repeat(60)}`));
		t.print(`after all: ${show(place)}`);
	},
});
