/** Directories whose files all belong to one project, so that its quota counts a whole tree. */
import {FileError} from '../errors.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';

/** Whether what comes into the directory belongs to its project. */
export function inheritsProject(volume: Volume, directory: Inode): boolean {
	return volume.features.has('project') && (directory.flags & inodeFlags.projectInherit) !== 0;
}

/** Throws `FileError` EXDEV for a file of another project than the one that `directory` keeps to. */
export function assertSameProject(volume: Volume, directory: Inode, inode: Inode): void {
	if (inheritsProject(volume, directory) && directory.projectId !== inode.projectId) {
		throw new FileError('EXDEV', `the directory keeps to project ${directory.projectId}`);
	}
}
