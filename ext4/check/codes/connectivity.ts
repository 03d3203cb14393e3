/** Findings of pass 3, connectivity: every directory is reached from the root, once. */
import type {FindingTable} from '../definition.ts';

export const connectivityFindings = {} as const satisfies FindingTable;
