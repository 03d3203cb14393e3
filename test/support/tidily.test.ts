import {spawn, spawnSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {temporary} from './program.ts';

const tidily = join(import.meta.dirname, 'tidily.ts');

/** As the long runs do: it makes things in its temporary folder, then hears nothing for minutes. */
const program = `
import {execFileSync, spawn} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
writeFileSync(tmpdir() + '/file', 'x');
writeFileSync(process.env.EXT4BOX_KEEP + '/kept', 'x');
spawn('sh', ['-c', 'sleep 300; :', tmpdir() + '/served'], {detached: true, stdio: 'ignore'});
if (process.getuid() === 0) {
	execFileSync('mke2fs', ['-q', '-F', tmpdir() + '/image', '1M']);
	mkdirSync(tmpdir() + '/mnt');
	execFileSync('mount', ['-o', 'loop', tmpdir() + '/image', tmpdir() + '/mnt']);
}
process.stdout.write('ready ' + tmpdir() + '\\n', () => execFileSync('sleep', ['300']));
`;

function isNamedByProcess(folder: string): boolean {
	const found = spawnSync('pgrep', ['-f', folder], {encoding: 'utf8'});
	return found.stdout.trim() !== '';
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
	test(`a run that ${signal} ends leaves no mount, loop device, process or folder`, async t => {
		const place = temporary(t);
		const path = join(place, 'program.mjs');
		writeFileSync(path, program);
		const child = spawn(process.execPath, [tidily, path], {
			env: {...process.env, TMPDIR: place},
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		const ended = new Promise<number | null>(resolve => child.once('exit', resolve));
		let said = '';
		for await (const piece of child.stdout.setEncoding('utf8')) {
			said += piece;
			if (said.includes('\n')) break;
		}
		const folder = said.trim().replace('ready ', '');
		t.true(existsSync(join(folder, 'file')), 'the run was under way');
		child.kill(signal);
		t.is(await ended, signal === 'SIGTERM' ? 143 : 130);
		t.false(readFileSync('/proc/self/mountinfo', 'utf8').includes(folder));
		const loops = readdirSync('/sys/block').filter(name => {
			const backing = `/sys/block/${name}/loop/backing_file`;
			return existsSync(backing) && readFileSync(backing, 'utf8').startsWith(folder);
		});
		t.deepEqual(loops, []);
		t.false(isNamedByProcess(folder));
		t.deepEqual(readdirSync(place).sort(), ['kept', 'program.mjs']);
	});
}

test('a run that ends by itself gives its exit status, and its folder is gone', t => {
	const place = temporary(t);
	const path = join(place, 'program.mjs');
	writeFileSync(
		path,
		`import {writeFileSync} from 'node:fs';
		writeFileSync(process.env.TMPDIR + '/file', process.argv[2]);
		process.exitCode = 3;`,
	);
	const env = {...process.env, TMPDIR: place};
	const {status} = spawnSync(process.execPath, [tidily, path, 'an argument'], {env});
	t.is(status, 3);
	t.deepEqual(readdirSync(place), ['program.mjs']);
});
