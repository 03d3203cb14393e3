/** bin/ext4box, with programs of our own in place of Node and of ext4box. */
import {spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {dirname, join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {temporary} from '../support/program.ts';

const launcher = join(import.meta.dirname, '../../bin/ext4box');
const arch = process.arch === 'arm64' ? 'arm64' : 'x64';

function writeScript(path: string, text: string): void {
	fs.mkdirSync(dirname(path), {recursive: true});
	fs.writeFileSync(path, `#!/bin/sh\n${text}\n`, {mode: 0o755});
}

/** A package with the launcher in it; `bundled` is where its own Node lies, if it has one. */
function makePackage(t: ExecutionContext, bundled?: string): {root: string; command: string} {
	const root = fs.realpathSync(temporary(t));
	const home = join(root, 'node_modules/ext4box');
	fs.mkdirSync(join(home, 'bin'), {recursive: true});
	fs.mkdirSync(join(home, 'dist/src'), {recursive: true});
	fs.copyFileSync(launcher, join(home, 'bin/ext4box'));
	fs.chmodSync(join(home, 'bin/ext4box'), 0o755);
	fs.writeFileSync(join(home, 'dist/src/cli.js'), '');
	if (bundled !== undefined) {
		writeScript(
			join(home, bundled, `node-linux-${arch}/bin/node`),
			'echo bundled; printf "<%s>" "$@"',
		);
	}
	return {root, command: join(home, 'bin/ext4box')};
}

/** A directory to be PATH, in which `node` says that it is of this version. */
function fakeNode(root: string, version: string): string {
	const directory = join(root, 'path');
	writeScript(
		join(directory, 'node'),
		`[ "$1" = --version ] && echo ${version} || echo system "$2"`,
	);
	for (const tool of ['sh', 'readlink', 'uname']) {
		const found = ['/usr/bin', '/bin']
			.map(place => join(place, tool))
			.find(path => fs.existsSync(path));
		if (found !== undefined) fs.symlinkSync(found, join(directory, tool));
	}
	return directory;
}

for (const [place, where] of [
	['node_modules', 'beside the package'],
	['..', 'where npm hoisted it'],
] as const) {
	test(`the package's own Node is taken ${where}, and gets the arguments as they are`, t => {
		const {root, command} = makePackage(t, place);
		const path = fakeNode(root, 'v26.0.0');
		const result = spawnSync(command, ['ls', 'a b', '', '*'], {
			env: {PATH: path},
			encoding: 'utf8',
		});
		const [first, rest] = result.stdout.split('\n');
		t.is(first, 'bundled', result.stderr);
		t.regex(rest ?? '', /^<.*\/dist\/src\/cli\.js><ls><a b><><\*>$/);
	});
}

test('a chain of symbolic links leads to the package', t => {
	const {root, command} = makePackage(t, 'node_modules');
	fs.mkdirSync(join(root, 'links'));
	fs.symlinkSync('../node_modules/ext4box/bin/ext4box', join(root, 'links/one'));
	fs.symlinkSync('one', join(root, 'links/two'));
	t.true(fs.existsSync(command));
	const result = spawnSync(join(root, 'links/two'), [], {encoding: 'utf8'});
	t.regex(result.stdout, /^bundled/, result.stderr);
	const fromPath = spawnSync('two', [], {
		env: {PATH: `${join(root, 'links')}:/usr/bin:/bin`},
		encoding: 'utf8',
	});
	t.regex(fromPath.stdout, /^bundled/, fromPath.stderr);
});

for (const version of ['v24.12.0', 'v24.20.1', 'v26.0.0', 'v31.4.0']) {
	test(`Node ${version} in PATH is new enough`, t => {
		const {root, command} = makePackage(t);
		const PATH = fakeNode(root, version);
		const result = spawnSync(command, ['x'], {env: {PATH}, encoding: 'utf8'});
		t.is(result.stdout, 'system x\n', result.stderr);
	});
}

for (const version of ['v12.22.0', 'v20.20.2', 'v24.11.9', 'v25.9.0']) {
	test(`Node ${version} in PATH is too old, which one line says`, t => {
		const {root, command} = makePackage(t);
		const PATH = fakeNode(root, version);
		const result = spawnSync(command, ['x'], {env: {PATH}, encoding: 'utf8'});
		t.is(result.status, 1);
		t.is(result.stdout, '');
		t.regex(result.stderr, new RegExp(`^ext4box: Node\\.js .* is needed.*${version}.*\\n$`));
	});
}

test('no Node at all is told in one line', t => {
	const {root, command} = makePackage(t);
	const PATH = fakeNode(root, 'v26.0.0');
	fs.rmSync(join(PATH, 'node'));
	const result = spawnSync(command, [], {env: {PATH}, encoding: 'utf8'});
	t.is(result.status, 1);
	t.regex(result.stderr, /^ext4box: Node\.js .* no "node" in PATH.*\n$/);
});

test('a package that was not built says how', t => {
	const {root, command} = makePackage(t, 'node_modules');
	fs.rmSync(join(root, 'node_modules/ext4box/dist'), {recursive: true});
	const result = spawnSync(command, [], {encoding: 'utf8'});
	t.is(result.status, 1);
	t.regex(result.stderr, /^ext4box: .*npm run build.*\n$/);
});
