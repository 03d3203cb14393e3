/** Where a file's blocks lie: finding, giving and taking away. */
export {extentTreeDepth, lastExtentBlock} from './extent-tree.ts';
export {mapAt} from './map.ts';
export type {Run, SpaceRun, WritableRun} from './run.ts';
export {
	hasExtents,
	isMapEmpty,
	makeUnwritten,
	mapForWriting,
	mapMetadataBlock,
	removeBlocks,
	setUpMapping,
	shiftBlocks,
} from './write.ts';
