/** Immutable and append-only files where every open is asked for: with `-o direct`. */
import * as fs from 'node:fs';
import {missing} from '../support/skip.ts';
import {writes} from '../support/writing-tests.ts';

const {O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_TRUNC} = fs.constants;

function opens(path: string, flags: number): string {
	try {
		fs.closeSync(fs.openSync(path, flags));
		return 'opened';
	} catch (error) {
		return String((error as NodeJS.ErrnoException).code);
	}
}

writes(
	'with -o direct they are not opened for what they forbid',
	(t, place) => {
		place.mount('rw,direct');
		place.sh('for f in plain fixed log; do echo one > $f; done; chattr +i fixed; chattr +a log');
		const table: [name: string, flags: number, found: string][] = [
			['fixed', O_RDONLY, 'opened'],
			['fixed', O_WRONLY, 'EPERM'],
			['fixed', O_RDWR | O_APPEND, 'EPERM'],
			['log', O_RDONLY, 'opened'],
			['log', O_RDWR, 'EPERM'],
			['log', O_WRONLY | O_APPEND, 'opened'],
			['log', O_WRONLY | O_APPEND | O_TRUNC, 'EPERM'],
			['plain', O_RDWR | O_TRUNC, 'opened'],
		];
		for (const [name, flags, found] of table) {
			t.is(opens(place.at(name), flags), found, `${name} ${flags}`);
		}
		t.is(place.sh('echo two >> log; cat log'), 'one\ntwo\n');
		place.umount();
		t.is(place.check(), '');
	},
	{},
	missing('chattr'),
);
