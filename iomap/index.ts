export {readRange, seek} from './actor.ts';
export {type BeginFlags, Mapper} from './mapper.ts';
export {assertMapping, type Mapping} from './mapping.ts';
