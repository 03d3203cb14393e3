/** The privileged helper as an old kernel has it, and with its address and undefined-behaviour checks on. */
import {spawnSync} from 'node:child_process';
import {Installation, mountsNamed, permissive} from '../support/installed.ts';
import {loopsBelow, whyNoLoop} from '../support/loops.ts';
import {ordinaryUser, Playground, root, type User, until, whyNoRoot} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

const why = whyNoRoot() ?? whyNoLoop();
const word = 'variant';

function argumentsOf(place: Playground, mode: string, fsname = word): string[] {
	return [
		...['mount', '--image', place.image, '--mountpoint', place.mountpoint, '--fsname', fsname],
		...['--read-only', '--sandbox', 'normal', '--report-fd', '3', '--', `{"mode":"${mode}"}`],
	];
}

async function withHelper(
	installation: Installation,
	user: User,
	body: (place: Playground) => Promise<void>,
): Promise<void> {
	const place = new Playground(user);
	try {
		await body(place);
	} finally {
		await place.close();
		installation.remove();
	}
}

async function end(place: Playground, report: string): Promise<void> {
	const pid = Number(report.trim().split(' ')[4]);
	place.rememberProcess(pid);
	if (place.isAlive(pid)) {
		place.kill(pid, 'SIGTERM');
	}
	await until(() => mountsNamed(word).length === 0 && !place.isAlive(pid), 3000);
}

serialTestUnless(
	why,
	'without fsopen(2): by mount(2), on the same descriptor, as safe',
	async t => {
		const installation = new Installation('-DEXT4BOX_WITHOUT_FSOPEN');
		await withHelper(installation, ordinaryUser, async place => {
			const name = `${word},allow_other,suid\\,user_id=0`;
			const ended = await place.run(installation.helper, ...argumentsOf(place, 'serve', name));
			t.regex(ended.report, /^ready installed /);
			const [made] = mountsNamed(word);
			t.is(made?.source, name);
			t.is(made?.uid, place.user.uid);
			t.is(made?.path, place.mountpoint);
			t.true(made?.options.includes('nosuid'));
			t.true(made?.options.includes('nodev'));
			t.is((await place.run('/bin/cat', `${place.mountpoint}/hello`)).out, 'hello\n');
			await end(place, ended.report);
			t.deepEqual(mountsNamed(word), []);
		});
	},
);

serialTestUnless(why, 'under the sanitizers: whole lives, and 300 policies', async t => {
	const installation = new Installation('', 'privileged-sanitized');
	// As root: a checker of leaks would have to trace a process that lets nobody trace it.
	const environment = {...process.env, ASAN_OPTIONS: 'detect_leaks=0'};
	await withHelper(installation, root, async place => {
		const run = (...args: string[]) => {
			const {status, stderr, output} = spawnSync(installation.helper, args, {
				cwd: place.folder,
				env: environment,
				encoding: 'utf8',
				stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
				timeout: 20_000,
			});
			return {status, err: stderr, report: output[3] ?? ''};
		};
		const lives = ['serve', 'fail'].flatMap(mode =>
			[[], ['--iomap'], ['--iomap', '--loop']].map(more => ({mode, more})),
		);
		for (const {mode, more} of lives) {
			const [action = '', ...rest] = argumentsOf(place, mode);
			const ended = run(action, ...more, ...rest);
			t.regex(ended.report, mode === 'serve' ? /^ready installed / : /^failed server /);
			t.notRegex(ended.err, /Sanitizer|runtime error/);
			if (mode === 'serve') {
				t.is(loopsBelow(place.folder).length, more.includes('--loop') ? 1 : 0);
				const [, , id = '', device = ''] = ended.report.split(' ');
				const asked = ['--mountpoint', '/', '--id', id, '--device', device, '--report-fd', '3'];
				t.deepEqual(run('unmount', ...asked), {status: 0, err: '', report: ''});
				await end(place, ended.report);
			}
		}
		t.not(await until(() => loopsBelow(place.folder).length === 0, 20_000), null);
		// Not a file: no loop device, nor any other mount.
		const device = argumentsOf(place, 'serve').map(one =>
			one === place.image ? '/dev/null' : one,
		);
		t.regex(run('mount', '--loop', ...device.slice(1)).report, /^failed image /);
		// None of these is ever mounted: the image is missing.
		const args = argumentsOf(place, 'serve').map(one => (one === place.image ? '/absent' : one));
		let state = 0x2545_f491;
		const random = (below: number): number => {
			state ^= state << 13;
			state ^= state >>> 17;
			state ^= state << 5;
			return (state >>> 0) % below;
		};
		const pieces = [
			...[
				'users',
				'groups',
				'allow_other',
				'noexec',
				'mounts_per_user',
				'iomap',
				'loop',
				'require_sandbox',
				'strict',
				'all',
				'root',
				'yes',
				'no',
			],
			...[
				'0',
				'4294967295',
				'4294967296',
				'99999999999999999999',
				'-1',
				'#',
				'\n',
				'\n',
				'\t',
				' ',
			],
			...['\0', '\r', '\x7f', '\xff', 'x'.repeat(1023), 'x'.repeat(1025), permissive],
		];
		for (let round = 0; round < 300; round++) {
			const text = Array.from({length: random(24)}, () => pieces[random(pieces.length)]).join(
				random(2) === 0 ? ' ' : '',
			);
			installation.permit(Buffer.from(text, 'latin1'));
			const {status, err, report} = run(...args);
			t.is(status, 1, JSON.stringify(text));
			t.regex(report, /^failed (policy 0 |image 2 )/, JSON.stringify(text));
			t.is(err, '');
		}
	});
});
