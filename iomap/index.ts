export {readRange, seek} from './actor.ts';
export {allocateModes, allocateRange} from './allocate.ts';
export {type CopyPlace, copyRange} from './copy.ts';
export {type BeginFlags, Mapper} from './mapper.ts';
export {assertMapping, type Mapping, type WritableMapping} from './mapping.ts';
export type {ChangeOptions} from './steps.ts';
export {truncate} from './truncate.ts';
export {overwriteRange, writeFile, writeRange} from './write.ts';
