/** A folder with files, a second name, a renamed one and a symbolic link, for what a crash must spare. */
import {linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync} from 'node:fs';
import {bytesOf} from './files.ts';
import {absent, directory, file, symlink} from './look.ts';
import type {Scene} from './scene.ts';

const contentsOf = (round: number, index: number) => bytesOf(round * 8 + index, index * 1500);

/** Makes the folder of this round. */
export function makeSmallTree(scene: Scene, round: number): void {
	const folder = `round-${round}`;
	mkdirSync(scene.at(folder));
	for (let index = 0; index < 8; index++) {
		writeFileSync(scene.at(`${folder}/${index}`), contentsOf(round, index));
	}
	linkSync(scene.at(`${folder}/3`), scene.at(`${folder}/linked`));
	renameSync(scene.at(`${folder}/4`), scene.at(`${folder}/renamed`));
	symlinkSync('3', scene.at(`${folder}/symlink`));
}

/** From now on it must be found whole. */
export function expectSmallTree(scene: Scene, round: number): void {
	const folder = `round-${round}`;
	scene.expect(folder, directory);
	scene.expect(`${folder}/4`, absent);
	scene.expect(`${folder}/symlink`, symlink('3'));
	for (const [name, index] of [
		['1', 1],
		['linked', 3],
		['renamed', 4],
		['7', 7],
	] as const) {
		scene.expect(`${folder}/${name}`, file(contentsOf(round, index)));
	}
}
