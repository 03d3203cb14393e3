/** Operations on the volume as a whole, and looks at it. */
import {chooseDirectory, chooseFile, chooseNode} from '../choices.ts';
import {compareDirectory, compareFile, compareInode} from '../compare.ts';
import type {Operation} from './operation.ts';

/** Commits, mounts and crashes; reading, listing and looking, compared with the model. */
export const volumeOperations: readonly Operation[] = [
	{
		name: 'commit',
		weight: 2,
		run: world => {
			world.tell('commit');
			world.subject.commit();
		},
	},
	{
		name: 'checkpoint',
		weight: 1,
		run: world => {
			world.tell('checkpoint');
			world.subject.checkpoint();
		},
	},
	{
		name: 'unmount and mount',
		weight: 1,
		run: world => {
			world.tell('unmount, mount');
			world.subject.close();
			world.model.held.clear();
			world.subject.reopen();
		},
	},
	{
		name: 'commit, crash and mount',
		weight: 1,
		run: world => {
			world.tell('commit, crash, mount');
			world.subject.commit();
			world.model.held.clear();
			world.subject.crash();
		},
	},
	{
		name: 'remount read-only and back',
		weight: 1,
		run: world => {
			world.tell('remount');
			world.subject.remountReadOnlyAndBack();
		},
	},
	{
		name: 'read',
		weight: 2,
		run: (world, choices) => {
			const node = chooseFile(world, choices);
			if (node === undefined) return;
			world.tell(`read ${node.number}`);
			world.subject.settle();
			compareFile(world.subject.mapper, node);
		},
	},
	{
		name: 'list',
		weight: 2,
		run: (world, choices) => {
			const node = chooseDirectory(world, choices);
			world.tell(`list ${node.number}`);
			world.subject.settle();
			compareDirectory(world.subject.volume, node);
		},
	},
	{
		name: 'stat',
		weight: 2,
		run: (world, choices) => {
			const node = chooseNode(world, choices);
			world.tell(`stat ${node.number}`);
			world.subject.settle();
			compareInode(world.subject.volume, world.model, node);
		},
	},
];
