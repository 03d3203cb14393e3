/** Findings of pass 4, references: link counts, orphans, inodes that nobody names. */
import type {FindingTable} from '../definition.ts';

export const referenceFindings = {} as const satisfies FindingTable;
