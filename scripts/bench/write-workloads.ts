/** The writing half of the bench; each sample starts on a file system that was just made. */
import * as path from 'node:path';
import type {Command} from './command.ts';
import {treeName} from './image.ts';
import type {Sources} from './sources.ts';
import type {Aim, Place, Workload} from './workload.ts';

const mebibyte = 1024 ** 2;
const smallFiles = 10_000;

type Part = Pick<Workload, 'name' | 'aims' | 'run'> & Partial<Pick<Workload, 'prepare'>>;

/** `largeFileBytes` is the length of what is streamed. */
export function writeWorkloads(largeFileBytes: number, sources: Sources): Workload[] {
	const untar = (archive: string) => async (place: Place) =>
		place.time({program: 'tar', args: ['-C', place.root, '-xf', archive]});
	const parts: readonly Part[] = [
		{name: 'untar of 10,000 files', aims: [ofFuse2fs(0.3)], run: untar(sources.tree)},
		{
			name: 'rm -rf of 10,000 files',
			aims: [ofFuse2fs(0.3)],
			prepare: async place => {
				await untar(sources.tree)(place);
			},
			run: place => place.time({program: 'rm', args: ['-rf', path.join(place.root, treeName)]}),
		},
		{
			name: 'streaming write, fsync',
			aims: [ofFuse2fs(0.3)],
			run: place => place.time(stream(place, largeFileBytes)),
		},
		{
			name: 'random 4 KiB writes, fsync',
			aims: [],
			prepare: async place => {
				await place.time(stream(place, largeFileBytes / 4));
			},
			run: place => place.time(randomWrites(place, largeFileBytes / 4)),
		},
		{
			name: 'create 10,000 empty files',
			aims: [],
			run: place => place.time(touch(place)),
		},
		{
			name: 'unlink 10,000 empty files',
			aims: [],
			prepare: async place => {
				await place.time(touch(place));
			},
			run: place => place.time({program: 'rm', args: ['-rf', path.join(place.root, 'small')]}),
		},
		{
			name: 'configure and make of a C project',
			aims: [{kind: 'ratio', against: 'kernel', atMost: 1.1}],
			prepare: async place => {
				await untar(sources.project)(place);
			},
			run: place => place.time(build(place)),
		},
		{
			name: 'git clone',
			aims: [],
			run: place => place.time(git(place.root, 'clone', '-q', sources.repository, 'repository')),
		},
		{
			name: 'git status',
			aims: [],
			prepare: async place => {
				await place.time(git(place.root, 'clone', '-q', sources.repository, 'repository'));
			},
			run: place => place.time(git(repositoryOf(place), 'status', '--porcelain')),
		},
		{
			name: 'git checkout of the first commit',
			aims: [],
			prepare: async place => {
				await place.time(git(place.root, 'clone', '-q', sources.repository, 'repository'));
			},
			run: place => place.time(checkout(place)),
		},
	];
	return parts.map(part => ({...part, cold: true, writes: true}));
}

function ofFuse2fs(atMost: number): Aim {
	return {kind: 'ratio', against: 'fuse2fs', atMost};
}

function stream(place: Place, bytes: number): Command {
	const output = path.join(place.root, 'stream.bin');
	const count = bytes / mebibyte;
	return {
		program: 'dd',
		args: ['if=/dev/zero', `of=${output}`, 'bs=1M', `count=${count}`, 'conv=fsync'],
	};
}

function randomWrites(place: Place, fileBytes: number): Command {
	return {
		program: 'fio',
		args: [
			'--name=random',
			`--filename=${path.join(place.root, 'stream.bin')}`,
			'--rw=randwrite',
			'--bs=4k',
			`--size=${fileBytes}`,
			`--io_size=${fileBytes / 4}`,
			'--norandommap',
			'--randseed=1',
			'--ioengine=psync',
			'--end_fsync=1',
			'--invalidate=0',
		],
	};
}

/** In one process, so that it is not starting them that is measured. */
function touch(place: Place): Command {
	const script = `mkdir "$1/small" && cd "$1/small" && seq ${smallFiles} | xargs -n ${smallFiles} touch`;
	return {program: 'sh', args: ['-c', script, 'sh', place.root]};
}

function build(place: Place): Command {
	const script =
		'mkdir "$1/build" && cd "$1/build" && ../project/libiberty/configure >/dev/null && make -s -j2 >/dev/null';
	return {program: 'sh', args: ['-c', script, 'sh', place.root]};
}

function repositoryOf(place: Place): string {
	return path.join(place.root, 'repository');
}

function git(directory: string, ...args: string[]): Command {
	return {program: 'git', args: ['-C', directory, '-c', 'safe.directory=*', ...args]};
}

function checkout(place: Place): Command {
	const script =
		'cd "$1" && git -c safe.directory=* checkout -q "$(git -c safe.directory=* rev-list --max-parents=0 HEAD | head -n 1)"';
	return {program: 'sh', args: ['-c', script, 'sh', repositoryOf(place)]};
}
