/** Findings of pass 6, quota files against the usage that was found. */
import type {FindingTable} from '../definition.ts';

export const quotaFindings = {} as const satisfies FindingTable;
