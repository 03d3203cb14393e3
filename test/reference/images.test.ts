/**
 * Every reference image, read through the library and through mounts, against what the kernel (or
 * debugfs, where this kernel can't mount it) sees in it. A selection in `npm test`, all of them and
 * both kinds of mount for each in `npm run test:reference`.
 */
import {spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {setImmediate as breath} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {UnsupportedError, Volume} from '../../ext4/index.ts';
import {nodeHashes} from '../../images/hashes.ts';
import {openRaw} from '../../images/raw.ts';
import {compareListings, listVolume} from '../support/listing.ts';
import {
	buildTools,
	ordinaryUser,
	root,
	type User,
	whyNoFuse,
	whyNoFusermount3,
	whyNoRoot,
} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';
import {
	findImages,
	hashFile,
	imagePath,
	imagesLeftOut,
	isComplete,
	oneOfEachKind,
	type ReferenceImage,
	readReference,
	whyNoImages,
} from './material.ts';
import {asOrdinaryUser, listingMilliseconds, MountedImage} from './mounted-listing.ts';

const selection = [...oneOfEachKind, 'ext4-unknown-incompat', 'ext4-unknown-rocompat'];
const mountedSelection = ['ext3-dirty-1k', 'ext4-alltogether'];

const refusals: {readonly [name: string]: readonly [code: string, feature: string]} = {
	'ext4-external-journal': ['EXT4_UNSUPPORTED_EXTERNAL_JOURNAL', 'external journal'],
	'ext4-journal-device': ['EXT4_UNSUPPORTED_JOURNAL_DEVICE', 'journal_dev'],
	'ext4-unknown-incompat': ['EXT4_UNSUPPORTED_FEATURE', 'FEATURE_I30'],
};
/** Made to be refused for writing; reading them is another matter. */
const readableAllTheSame = 'ext4-unknown-rocompat';

/**
 * Differences that are not ours to mend. Replaying a fast commit, the kernel gives a directory whose
 * entries it changes the time of the replay; we (and e2fsck) leave the time that the log tells.
 */
const explained: {readonly [name: string]: RegExp} = {
	'ext4-dirty-fastcommit': /^churn: mtime is /,
};

function unexplained(image: ReferenceImage, differences: readonly string[]): string[] {
	const reason = explained[image.name];
	return differences.filter(difference => reason === undefined || !reason.test(difference));
}

type Row = {library?: string; root?: string; ordinary?: string};

const rows = new Map<string, Row>();
const whyNot = whyNoImages();
const images = whyNot === undefined ? findImages(isComplete ? undefined : selection) : [];

function note(image: ReferenceImage, column: keyof Row, differences: readonly string[]): void {
	const row = rows.get(image.name) ?? {};
	const open = unexplained(image, differences).length;
	const known = differences.length - open;
	row[column] =
		open > 0 ? `${open} differences` : known > 0 ? `same but ${known} explained` : 'same';
	rows.set(image.name, row);
}

function readThroughLibrary(t: ExecutionContext, image: ReferenceImage): void {
	using device = openRaw(imagePath(image));
	const refusal = refusals[image.name];
	if (refusal !== undefined) {
		const error = t.throws(() => Volume.open(device), {instanceOf: UnsupportedError});
		t.deepEqual([error.code, error.feature], [...refusal]);
		note(image, 'library', []);
		return;
	}
	const volume = Volume.open(device, {hashes: nodeHashes});
	t.is(volume.recovery !== undefined, image.expect === 'replay' || image.expect === 'orphans');
	const listing = listVolume(volume);
	const reference = readReference(image);
	if (reference === undefined) {
		t.is(image.name, readableAllTheSame, 'an image without a reference');
		t.true(listing.entries.length > 10);
		note(image, 'library', []);
		return;
	}
	const differences = compareListings(listing, reference);
	note(image, 'library', differences);
	t.deepEqual(unexplained(image, differences), []);
}

function readThroughMount(t: ExecutionContext, image: ReferenceImage, user: User): void {
	const isRoot = user.uid === 0;
	const mounted = new MountedImage(imagePath(image), user);
	try {
		const outcome = mounted.mount(isRoot ? 'ro,allow_other' : 'ro');
		const refusal = refusals[image.name];
		const differences: string[] = [];
		if (refusal === undefined) {
			t.is(outcome.status, 0, outcome.stderr);
			const reference = readReference(image);
			const listing = mounted.list();
			if (reference !== undefined) {
				const expected = isRoot ? reference : asOrdinaryUser(reference);
				differences.push(...compareListings(listing, expected));
			}
			const end = mounted.unmount();
			t.is(end.status, 0, end.stderr);
		} else {
			t.is(outcome.status, 1);
			t.regex(outcome.stderr, /^ext4box: [^\n]+\n$/);
			t.true(outcome.stderr.includes(refusal[1].replace('external ', '')), outcome.stderr);
		}
		note(image, isRoot ? 'root' : 'ordinary', differences);
		t.deepEqual(unexplained(image, differences), []);
		t.false(mounted.isMounted);
		t.true(mounted.isUnchanged, 'the image was written to');
	} finally {
		mounted.close();
	}
}

/** The command is Node's to run: an ordinary user must be able to read it where it lies. */
function whyUnreachable(): string | null {
	const program = join(import.meta.dirname, '../../src/cli.ts');
	const who = process.getuid?.() === 0 ? ordinaryUser : {};
	const tried = spawnSync(process.execPath, ['--check', program], {...who, cwd: '/'});
	return tried.status === 0 ? null : 'the checkout is not readable to other users';
}

const whyNoRootMount = whyNoRoot();
const whyNoOrdinaryMount = whyNoFusermount3() ?? whyUnreachable();

test.before(() => {
	if (whyNoFuse() === null) buildTools();
});

if (whyNot !== undefined) serialTestUnless(whyNot, 'the reference images', () => {});
for (const [name, why] of imagesLeftOut()) {
	serialTestUnless(why, `${name} reads as its reference says`, () => {});
}

for (const image of images) {
	serialTestUnless(null, `${image.name} reads as its reference says (library)`, async t => {
		await breath(); // What runs in one go can't report its progress.
		t.timeout(300_000);
		const before = hashFile(imagePath(image));
		readThroughLibrary(t, image);
		t.is(hashFile(imagePath(image)), before, 'the image was written to');
	});
	if (!isComplete && !mountedSelection.includes(image.name)) continue;
	serialTestUnless(
		whyNoRootMount,
		`${image.name} reads so through a mount, root with allow_other`,
		async t => {
			await breath();
			t.timeout(listingMilliseconds + 600_000);
			readThroughMount(t, image, root);
		},
	);
	serialTestUnless(
		whyNoOrdinaryMount,
		`${image.name} reads so through an ordinary user's mount`,
		async t => {
			await breath();
			t.timeout(listingMilliseconds + 600_000);
			readThroughMount(t, image, ordinaryUser);
		},
	);
}

test.after(t => {
	const widest = Math.max(0, ...[...rows.keys()].map(name => name.length));
	for (const [name, {library = '–', root: asRoot = '–', ordinary = '–'}] of rows) {
		t.log(`${name.padEnd(widest)}  library: ${library}  root: ${asRoot}  ordinary: ${ordinary}`);
	}
});
