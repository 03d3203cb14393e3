import type {Status} from './status.ts';

/** For people: who moves the data, and why. */
export function describeDataPath({dataPath: {kind, reason}}: Pick<Status, 'dataPath'>): string {
	return kind === 'iomap' ? `by the kernel itself (${reason})` : `through this server: ${reason}`;
}

export function describeLoop({device, isDirect}: NonNullable<Status['loop']>): string {
	return isDirect ? `${device}, past the page cache of the file` : device;
}
