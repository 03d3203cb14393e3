/** The forms in which `check` tells what it finds: JSON and SARIF, and the schemas they keep to. */
import {spawn} from 'node:child_process';
import * as fs from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {type CheckDocument, checkJson, damagedCopy} from '../../support/checked.ts';
import {debugfs, e2fsprogs} from '../../support/e2fsprogs.ts';
import {type Schema, violations} from '../../support/json-schema.ts';
import {makeImage} from '../../support/made-image.ts';
import {run, temporary} from '../../support/program.ts';
import {sarifSchema} from '../../support/sarif-schema.ts';

const image = makeImage();
test.after.always(() => image.remove());

const root = join(import.meta.dirname, '../../..');
const schema = JSON.parse(fs.readFileSync(join(root, 'docs/check.schema.json'), 'utf8')) as Schema;

function conforms(t: ExecutionContext, value: unknown): void {
	t.deepEqual(violations(value, schema, schema.$defs ?? {}), []);
}

test('--json is one document, as its schema has it', t => {
	const clean = checkJson(t, [image.path], 0);
	conforms(t, clean);
	t.deepEqual(clean.findings, []);
	t.is(clean.summary.verdict, 'clean');
	t.is(clean.summary.repair, null);
	const path = damagedCopy(t, image.path);
	const document = checkJson(t, [path], 4);
	conforms(t, document);
	t.is(document.summary.exitStatus, 4);
	t.is(document.summary.findingCounts['error'], 2);
	t.is(document.findings.length, 2);
	t.true(document.findings.some(each => each.place.inode === 2));
	t.true(document.summary.memoryBytes > 0);
});

test('--json=lines is an object a line, and the summary is the last', t => {
	const {status, stdout} = run(['check', '--json=lines', damagedCopy(t, image.path)]);
	t.is(status, 4);
	const objects = stdout
		.trimEnd()
		.split('\n')
		.map(line => JSON.parse(line) as {[name: string]: unknown});
	t.deepEqual(
		objects.map(each => Object.keys(each)[0]),
		['image', 'finding', 'finding', 'summary'],
	);
	for (const each of objects) {
		const [[name = '', value] = []] = Object.entries(each);
		t.deepEqual(violations(value, {$ref: `#/$defs/${name}`}, schema.$defs ?? {}), [], name);
	}
});

test('--sarif has what SARIF 2.1.0 asks for', t => {
	const path = damagedCopy(t, image.path);
	const {status, stdout} = run(['check', '--sarif', path]);
	t.is(status, 4);
	const log = JSON.parse(stdout) as {
		version: string;
		runs: {
			tool: {driver: {name: string; rules: {id: string; shortDescription: {text: string}}[]}};
			artifacts: {location: {uri: string}}[];
			invocations: {executionSuccessful: boolean; exitCode: number}[];
			results: {
				ruleId: string;
				ruleIndex: number;
				level: string;
				message: {text: string};
				locations: {physicalLocation: {artifactLocation: {uri: string; index: number}}}[];
			}[];
		}[];
	};
	t.deepEqual(violations(log, sarifSchema, sarifSchema.$defs ?? {}), []);
	t.is(log.version, '2.1.0');
	t.is(log.runs.length, 1);
	const [only] = log.runs;
	t.truthy(only?.tool.driver.name);
	t.is(only?.invocations[0]?.exitCode, 4);
	t.is(only?.invocations[0]?.executionSuccessful, true);
	t.is(only?.results.length, 2);
	for (const result of only?.results ?? []) {
		t.is(only?.tool.driver.rules[result.ruleIndex]?.id, result.ruleId);
		t.true(['none', 'note', 'warning', 'error'].includes(result.level));
		t.true(result.message.text.length > 0);
		const [location] = result.locations;
		t.is(location?.physicalLocation.artifactLocation.uri, `file://${path}`);
	}
});

test('stretches of blocks are regions of the image in SARIF, and ranges in the other forms', t => {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	debugfs([Buffer.from('setb 5000 10'), Buffer.from('setb 5020 2')], path);
	const log = JSON.parse(run(['check', '--sarif', path]).stdout) as {
		runs: {results: {ruleId: string; locations: {physicalLocation: {region: object}}[]}[]}[];
	};
	t.deepEqual(violations(log, sarifSchema, sarifSchema.$defs ?? {}), []);
	const result = log.runs[0]?.results.find(({ruleId}) => ruleId === 'CHECK_BLOCKS_MARKED');
	t.deepEqual(
		result?.locations.map(({physicalLocation}) => physicalLocation.region),
		[
			{byteOffset: 5000 * 1024, byteLength: 10 * 1024},
			{byteOffset: 5020 * 1024, byteLength: 2 * 1024},
		],
	);
	const document = checkJson(t, [path], 4);
	conforms(t, document);
	const list = [
		[5000, 5009],
		[5020, 5021],
	];
	const found = document.findings.find(({code}) => code === 'CHECK_BLOCKS_MARKED');
	t.deepEqual(found?.ranges, {of: 'block', list, omittedCount: 0});
	t.regex(run(['check', path]).stdout, /what nothing uses: blocks 5000-5009, 5020-5021 \[/);
});

test('what SARIF asks for is there where nothing was found, and where nothing could be checked', t => {
	const journal = join(temporary(t), 'journal');
	e2fsprogs('mke2fs', ['-q', '-O', 'journal_dev', journal, '8M']);
	for (const [path, status] of [
		[image.path, 0],
		[journal, 8],
	] as const) {
		const result = run(['check', '--sarif', path]);
		t.is(result.status, status);
		t.deepEqual(violations(JSON.parse(result.stdout), sarifSchema, sarifSchema.$defs ?? {}), []);
	}
});

test('names from an image can not act on a terminal', t => {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	debugfs(
		[
			Buffer.concat([
				Buffer.from('mkdir evil'),
				Buffer.of(0x1b),
				Buffer.from('[31m'),
				Buffer.of(0x7f),
			]),
			Buffer.concat([
				Buffer.from('sif evil'),
				Buffer.of(0x1b),
				Buffer.from('[31m'),
				Buffer.of(0x7f),
				Buffer.from(' links_count 50'),
			]),
		],
		path,
	);
	for (const form of [[], ['--json'], ['--json=lines'], ['--sarif']]) {
		const {status, stdout} = run(['check', ...form, path]);
		t.is(status, 4, stdout);
		t.notRegex(stdout, /[\u0000-\u0008\u000b-\u001f\u007f]/);
	}
});

test('SIGINT closes the document, whenever it comes', async t => {
	const child = spawn(process.execPath, [join(root, 'src/cli.ts'), 'check', '--json', image.path]);
	let stdout = '';
	let stderr = '';
	child.stdout.on('data', chunk => {
		// How the document begins is written when the check does.
		if (stdout === '') child.kill('SIGINT');
		stdout += String(chunk);
	});
	child.stderr.on('data', chunk => {
		stderr += String(chunk);
	});
	const status = await new Promise(resolve => child.once('close', resolve));
	const document = JSON.parse(stdout) as CheckDocument;
	conforms(t, document);
	if (document.summary === null) {
		t.is(status, 130);
		t.regex(stderr, /^ext4box: .*: interrupted; 0 findings so far, and nothing was changed\n$/);
	} else t.true(status === 0 || status === null, stderr); // It was done already.
});
