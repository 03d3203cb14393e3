/** Findings of pass 1, inodes: fields, mappings, attributes, and blocks claimed twice. */
import type {FindingTable} from '../definition.ts';

export const inodeFindings = {} as const satisfies FindingTable;
