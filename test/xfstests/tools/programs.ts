/** The C programs of this folder, built where they are not yet. */
import {join, resolve} from 'node:path';
import {must} from '../../stress/program.ts';

const build = resolve(import.meta.dirname, '../../../results/xfstests-tools');

export type ToolName = 'recorder' | 'direct' | 'fsx';

/** The path of one of them. Throws what make says where it can't be built. */
export function tool(name: ToolName): string {
	must('make', '-s', '-C', import.meta.dirname);
	return join(build, name);
}
