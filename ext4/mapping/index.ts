/** Where a file's blocks lie: finding, giving and taking away. */
export {extentTreeDepth, lastExtentBlock} from './extent-tree.ts';
export {sizeBytesMax} from './limits.ts';
export {mapAt} from './map.ts';
export {type Run, type SpaceRun, touchedBlocksMax, type WritableRun} from './run.ts';
export {
	hasExtents,
	isMapEmpty,
	isMetadata,
	makeUnwritten,
	mapForWriting,
	mapMetadataBlock,
	removeBlocks,
	setUpMapping,
	shiftBlocks,
} from './write.ts';
