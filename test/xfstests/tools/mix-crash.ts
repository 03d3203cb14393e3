/** A test whose mixer is cut short by power cuts: each of its tests says on what format. */
import {writeFileSync} from 'node:fs';
import type {Place, TestContext} from '../api.ts';
import {fsync} from './files.ts';
import {directory, type Look} from './look.ts';
import {differences, Mixer} from './mixer.ts';
import {Scene} from './scene.ts';

const rounds = 10;
const operations = 40;

/** As `Mixer.shape` has it. */
function shapeOf(look: Look): string[] {
	const lines = [' directory'];
	const waiting = [''];
	for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
		for (const name of look.names(`tree/${folder}`)) {
			const path = folder === '' ? name : `${folder}/${name}`;
			const seen = look.see(`tree/${path}`);
			if (seen === directory) waiting.push(path);
			const isFile = seen.startsWith('file ');
			lines.push(`${path} ${isFile ? `file ${look.links(`tree/${path}`)}` : seen}`);
		}
	}
	return lines.sort();
}

/**
 * After every so many operations a new name in the root is fsynced: one transaction follows another,
 * so that with it all names from before are there. States are tried just when that had returned, and
 * others only for being recoverable.
 */
export async function runMixCrash(t: TestContext, seed: number, place?: Place): Promise<void> {
	await using scene = await Scene.open(t, place);
	scene.mount();
	t.run('mkdir', [scene.at('shared')]);
	const mixer = new Mixer(scene.at('tree'), scene.at('shared'), seed);
	for (let round = 1; round <= rounds; round++) {
		scene.release('tree');
		mixer.run(round * operations);
		writeFileSync(scene.at(`round-${round}`), '');
		fsync(scene.dir);
		const wanted = mixer.shape;
		scene.hold('tree', look => differences(wanted, shapeOf(look))[0]);
	}
	await scene.trial({seed, states: 16, mounts: 3});
	t.print('every tree is as it was');
}
