/** The namespace: everything that makes, moves or takes away names. */
export {createFile, makeNode, mkdir, symlink, tmpfile} from './create.ts';
export {link, rmdir, unlink} from './link.ts';
export {linksMax} from './links.ts';
export type {DeviceNumber, NewFile} from './new-inode.ts';
export {type NamePlace, type Renamed, type RenameOptions, rename} from './rename.ts';
