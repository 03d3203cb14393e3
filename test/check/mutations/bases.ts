/**
 * The images that are mutated: those of the fuzzer, but well, and without a log that waits. Some that
 * hold what no hostile reading needs are made here: quota files, an orphan file, several groups.
 */
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {loadBases} from '../../fuzz/bases.ts';
import {e2fsprogs} from '../../support/e2fsprogs.ts';
import {repairByE2fsck, runE2fsck} from '../e2fsck.ts';

export type Base = {readonly name: string; readonly path: string};

/** Over these fast commits e2fsck 1.47.0 crashes. */
const withoutUse = ['ext4-fastcommit'];

const quotaBase = 'ext4-quota-orphan-file';

function makeQuotaBase(path: string, folder: string): void {
	const features = 'quota,project,orphan_file,inline_data';
	execFileSync('truncate', ['-s', '6M', path]);
	e2fsprogs('mke2fs', [
		...['-q', '-F', '-t', 'ext4', '-b', '1024', '-N', '512', '-g', '2048', '-J', 'size=1'],
		...['-U', '6d6b696d-6765-4000-8000-00000000f023', '-O', features],
		...['-E', 'quotatype=usrquota:grpquota:prjquota', path],
	]);
	const file = join(folder, 'quota-source');
	writeFileSync(file, new Uint8Array(5000).fill(0x71));
	const commands = Array.from({length: 24}, (_, index) => [
		`write ${file} f${index}`,
		`sif f${index} uid ${index * 1000}`,
		`sif f${index} gid ${index % 3}`,
		`mkdir d${index}`,
	]).flat();
	const script = join(folder, 'quota-commands');
	writeFileSync(script, `${commands.join('\n')}\n`);
	e2fsprogs('debugfs', ['-w', '-f', script, path]);
	rmSync(file);
	rmSync(script);
}

/** Makes what is missing in `folder`. Throws where a tool fails or an image can't be made well. */
export function makeCleanBases(folder: string): Base[] {
	mkdirSync(folder, {recursive: true});
	const paths: Base[] = [];
	const add = (name: string, make: (path: string) => void) => {
		const path = join(folder, `${name}.img`);
		if (!existsSync(path)) {
			const unfinished = `${path}.unfinished`;
			make(unfinished);
			mend(name, unfinished);
			renameSync(unfinished, path);
		}
		paths.push({name, path});
	};
	for (const {name, bytes} of loadBases()) {
		if (!withoutUse.includes(name)) add(name, path => writeFileSync(path, bytes));
	}
	add(quotaBase, path => makeQuotaBase(path, folder));
	return paths;
}

function mend(name: string, path: string): void {
	const isMended = repairByE2fsck(path);
	const verdict = runE2fsck(path);
	if (!isMended || verdict.exit !== 0 || verdict.problems.length > 0) {
		throw new Error(`${name} can not be made well:\n${verdict.output}`);
	}
}

export function readBase(base: Base): Uint8Array {
	return new Uint8Array(readFileSync(base.path));
}
