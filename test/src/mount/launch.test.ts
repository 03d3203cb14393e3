/** What the launcher asks the helper for, seen by a script in the helper's place. */
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {launchMount} from '../../../src/mount/launch.ts';
import {parseMountOptions} from '../../../src/mount/options.ts';
import {temporary} from '../../support/program.ts';

const table: [options: string, isReadOnly: boolean, asked: string[]][] = [
	['', false, ['--iomap']],
	['loop', false, ['--iomap', '--loop']],
	['loop,iomap=off', false, ['--loop']],
	['iomap=off', false, []],
	['iomap=v7', false, ['--iomap']],
	['iomap=static', false, []],
	['iomap=static', true, ['--iomap']],
	['direct', false, []],
	['sync', false, []],
];

for (const [options, isReadOnly, asked] of table) {
	test(`-o ${JSON.stringify(options)}${isReadOnly ? ', read-only' : ''}`, async t => {
		const folder = temporary(t);
		const helper = join(folder, 'helper');
		const script = `#!/bin/sh\nprintf '%s\\n' "$@" >'${folder}/asked'\necho 'failed image 0 no' >&3\nexit 1\n`;
		writeFileSync(helper, script, {mode: 0o755});
		const request = {
			image: 'disk.img',
			mountpoint: folder,
			options: parseMountOptions([options]),
			isReadOnly,
			isRecovered: false,
			sandbox: {level: 'normal', required: 'off'},
		} as const;
		const programs = {helper, server: ['/node', 'server'], exposed: []};
		const how = {isForeground: false, onReady: () => {}, onSkipped: () => {}};
		await t.throwsAsync(launchMount(request, programs, how), {message: 'no'});
		const words = readFileSync(join(folder, 'asked'), 'utf8').split('\n');
		t.deepEqual(
			words.filter(word => word === '--iomap' || word === '--loop'),
			asked,
		);
	});
}
