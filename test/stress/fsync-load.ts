/**
 * `node fsync-load.ts SEED`: makes, changes, renames and removes files in the directory that it was
 * started in (by no path: once the mount has gone, a path to it leads somewhere else), and says on
 * stdout what fsync has acknowledged, a line a fact: `+ NAME LENGTH BYTE` for a file that is there
 * with these contents, `- NAME` for one that is gone. Runs until it is killed or the file system is
 * gone.
 */
import {
	closeSync,
	fsyncSync,
	mkdirSync,
	openSync,
	renameSync,
	rmSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {join} from 'node:path';

const [seedText = '1'] = process.argv.slice(2);
const directory = '.';
let state = Number(seedText) >>> 0;

function random(bound: number): number {
	state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
	return Math.floor((state / 2 ** 32) * bound);
}

const known: string[] = [];

/** The files are changed under their final name only by fsync and rename, as careful programs do. */
function store(name: string): void {
	const length = 1 + random(random(4) === 0 ? 200_000 : 6000);
	const byte = 1 + random(255);
	const temporary = join(directory, `${name}.new`);
	const file = openSync(temporary, 'w');
	writeSync(file, new Uint8Array(length).fill(byte));
	renameSync(temporary, join(directory, name));
	fsyncSync(file);
	closeSync(file);
	writeSync(1, `+ ${name} ${length} ${byte}\n`);
}

function remove(name: string): void {
	// From here on neither is wrong.
	writeSync(1, `? ${name}\n`);
	rmSync(join(directory, name));
	const parent = openSync(directory, 'r');
	fsyncSync(parent);
	closeSync(parent);
	writeSync(1, `- ${name}\n`);
}

/** What nobody waits for. */
function churn(index: number): void {
	const folder = join(directory, `churn-${index % 7}`);
	rmSync(folder, {recursive: true, force: true});
	mkdirSync(folder);
	for (let file = 0; file < 12; file++) {
		writeFileSync(join(folder, `a-rather-long-name-${file}`), 'x'.repeat(random(9000)));
	}
}

for (let index = 0; ; index++) {
	churn(index);
	const kind = random(10);
	const name = known[random(known.length)];
	if (kind < 6 || name === undefined) {
		const made = `file-${index}`;
		store(made);
		known.push(made);
	} else if (kind < 8) {
		writeSync(1, `? ${name}\n`);
		store(name);
	} else {
		known.splice(known.indexOf(name), 1);
		remove(name);
	}
}
