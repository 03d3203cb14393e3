/**
 * All findings that there are, by code. A code begins with CHECK_, then says what thing is wrong
 * and how; codes that begin with EXT4_ are those of errors, by which a reader ends, while findings
 * only tell. Each pass has its table in `codes/`, that of the inodes three.
 */
import {attributeFindings} from './codes/attributes.ts';
import {bitmapFindings} from './codes/bitmaps.ts';
import {connectivityFindings} from './codes/connectivity.ts';
import {directoryFindings} from './codes/directories.ts';
import {inodeFindings} from './codes/inodes.ts';
import {mappingFindings} from './codes/mappings.ts';
import {quotaFindings} from './codes/quota.ts';
import {referenceFindings} from './codes/references.ts';
import {volumeFindings} from './codes/volume.ts';
import type {FindingDefinition} from './definition.ts';

const tables = {
	...volumeFindings,
	...inodeFindings,
	...mappingFindings,
	...attributeFindings,
	...directoryFindings,
	...connectivityFindings,
	...referenceFindings,
	...bitmapFindings,
	...quotaFindings,
} as const;

export type FindingCode = keyof typeof tables;

export const findingTable: {readonly [code in FindingCode]: FindingDefinition} = tables;

/** Whether `code` names a finding. */
export function isFindingCode(code: string): code is FindingCode {
	return Object.hasOwn(findingTable, code);
}
