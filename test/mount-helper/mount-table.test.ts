/** A mount table that can't be read says of no mount that it is gone. */
import {spawnSync} from 'node:child_process';
import test from 'ava';
import {Installation} from '../support/installed.ts';
import {buildTools, Playground, root, whyNoNamespaces, whyNoRoot} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

test.before(() => buildTools('test-tools'));

const asked = ['--mountpoint', '/nowhere', '--id', '1', '--device', '0:1', '--report-fd', '3'];
const unreadable = "failed internal 2 the mount table can't be read\n";

/** In a mount namespace of its own, where /proc is empty. */
function unmountBlind(place: Playground, helper: string, isNewUser: boolean) {
	const script = 'mount -t tmpfs none /proc && exec "$@"';
	const inside = ['/bin/sh', '-c', script, 'sh', helper, 'unmount', ...asked];
	const {status, output} = spawnSync('unshare', [isNewUser ? '-Urm' : '-m', ...inside], {
		...place.user,
		cwd: place.folder,
		stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
		encoding: 'utf8',
		timeout: 30_000,
	});
	const [, , err, report] = output;
	return {status, err, report};
}

serialTestUnless(whyNoNamespaces(), 'unmounting blindly fails, and says why', async t => {
	const place = new Playground();
	try {
		t.deepEqual(unmountBlind(place, place.helper, true), {status: 1, err: '', report: unreadable});
	} finally {
		await place.close();
	}
});

serialTestUnless(whyNoRoot(), 'so it does by the installed helper', async t => {
	const installation = new Installation();
	const place = new Playground(root);
	try {
		const ended = unmountBlind(place, installation.helper, false);
		t.deepEqual(ended, {status: 1, err: '', report: unreadable});
	} finally {
		await place.close();
		installation.remove();
	}
});
