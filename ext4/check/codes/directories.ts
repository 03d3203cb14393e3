/** Findings of pass 2, directories: entries, names, hash trees. */
import type {FindingTable} from '../definition.ts';

export const directoryFindings = {} as const satisfies FindingTable;
