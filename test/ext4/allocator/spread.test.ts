import test from 'ava';
import {directoryGroup} from '../../../ext4/allocator/spread.ts';
import type {AllocatorState} from '../../../ext4/allocator/state.ts';
import {Features} from '../../../ext4/layout/features.ts';
import type {Inode} from '../../../ext4/layout/inode.ts';
import {ext4_super_block} from '../../../ext4/layout/superblock.ts';
import type {Volume} from '../../../ext4/volume.ts';

const groupCount = 2 ** 19;

/** Full groups without end, and how many were looked at. */
function full(logGroupsPerFlex: number): {volume: Volume; looks: () => number} {
	const view = new DataView(new ArrayBuffer(1024));
	ext4_super_block.edit(view, 0).s_log_groups_per_flex = logGroupsPerFlex;
	let looks = 0;
	const geometry = {groupCount, inodesPerGroup: 16, clustersPerGroup: 8192, clusterBits: 0};
	const volume = {
		features: new Features(0, 0, 0).with('flex_bg'),
		geometry,
		superblock: {view, geometry, freeInodeCount: 2 ** 20, freeBlockCount: 2 ** 20},
		group() {
			looks++;
			return {freeInodeCount: 0, freeClusterCount: 0, usedDirectoryCount: 9};
		},
	};
	// As much of one as is looked at here.
	return {volume: volume as unknown as Volume, looks: () => looks};
}

for (const logGroupsPerFlex of [4, 18, 30, 255]) {
	test(`few groups are looked at for a directory: 2^${logGroupsPerFlex} in a flexible one`, t => {
		for (const number of [2, 5000]) {
			const {volume, looks} = full(logGroupsPerFlex);
			const parent = {number, flags: 0} as unknown as Inode;
			const state = {directoryCount: 10} as unknown as AllocatorState;
			const group = directoryGroup(volume, state, parent);
			t.true(group >= 0 && group < groupCount);
			t.true(looks() <= 2 ** 16, `${looks()} groups`);
		}
	});
}
