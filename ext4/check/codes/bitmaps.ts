/** Findings of pass 5, bitmaps and counts against what was found in use. */
import type {FindingTable} from '../definition.ts';

export const bitmapFindings = {} as const satisfies FindingTable;
