/** Facts about files and volumes as text: modes, times, flags, ids. */
import {
	type AclEntry,
	type FileType,
	type Inode,
	inodeFlags,
	type Timestamp,
} from '../ext4/index.ts';

const typeLetters: {readonly [type in FileType]: string} = {
	file: '-',
	directory: 'd',
	symlink: 'l',
	character: 'c',
	block: 'b',
	fifo: 'p',
	socket: 's',
};

export const typeNames: {readonly [type in FileType]: string} = {
	file: 'regular file',
	directory: 'directory',
	symlink: 'symbolic link',
	character: 'character device',
	block: 'block device',
	fifo: 'FIFO',
	socket: 'socket',
};

/** As `ls -l` prints it: `drwxr-sr-t`. */
export function modeText(inode: Inode): string {
	const {mode} = inode;
	const bits = [...'rwxrwxrwx'].map((letter, at) => ((mode >> (8 - at)) & 1 ? letter : '-'));
	for (const [bit, at, letter] of [
		[0o4000, 2, 's'],
		[0o2000, 5, 's'],
		[0o1000, 8, 't'],
	] as const) {
		if ((mode & bit) !== 0) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase();
	}
	return typeLetters[inode.type] + bits.join('');
}

/** The permission bits: `0755`. */
export function permissionText(inode: Inode): string {
	return (inode.mode & 0o7777).toString(8).padStart(4, '0');
}

function nanosecondsText(time: Timestamp): string {
	return String(Math.min(time.nanoseconds, 999_999_999)).padStart(9, '0');
}

/** `2026-11-21T03:06:44.123456789Z`, for JSON. */
export function isoTime(time: Timestamp): string {
	const date = new Date(time.seconds * 1000).toISOString();
	return date.replace(/\.\d+Z$/, `.${nanosecondsText(time)}Z`);
}

const two = (value: number) => String(value).padStart(2, '0');

function localParts(seconds: number): {date: string; clock: string; zone: string; when: Date} {
	const when = new Date(seconds * 1000);
	const ahead = -when.getTimezoneOffset();
	const minutes = Math.abs(ahead);
	return {
		when,
		date: `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`,
		clock: `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`,
		zone: `${ahead < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}${two(minutes % 60)}`,
	};
}

/** As stat(1): local time, with nanoseconds. */
export function fullTime(time: Timestamp): string {
	const {date, clock, zone} = localParts(time.seconds);
	return `${date} ${clock}.${nanosecondsText(time)} ${zone}`;
}

/** As `fullTime`, to the second; '' for 0, which superblocks mean as never. */
export function secondsTime(seconds: number): string {
	if (seconds === 0) return '';
	const {date, clock, zone} = localParts(seconds);
	return `${date} ${clock} ${zone}`;
}

/** As `ls -l --time-style=long-iso`. */
export function minuteTime(time: Timestamp): string {
	const {date, clock} = localParts(time.seconds);
	return `${date} ${clock.slice(0, 5)}`;
}

const aclTags: {readonly [kind in AclEntry['kind']]: string} = {
	owner: 'user',
	user: 'user',
	group: 'group',
	namedGroup: 'group',
	mask: 'mask',
	other: 'other',
};

/** As setfacl takes it: `user::rw-,user:1000:r--,group::r--,mask::r--,other::---`. */
export function aclText(entries: readonly AclEntry[]): string {
	const letters = (permissions: number) =>
		[...'rwx'].map((letter, at) => ((permissions >> (2 - at)) & 1 ? letter : '-')).join('');
	return entries
		.map(({kind, id, permissions}) => `${aclTags[kind]}:${id ?? ''}:${letters(permissions)}`)
		.join(',');
}

/** `1 file`, `2 files`. */
export function countOf(count: number, noun: string, plural = `${noun}s`): string {
	return `${count} ${count === 1 ? noun : plural}`;
}

/** `6d6b696d-6765-4000-8000-000000000001`. Of any 16 bytes: old tools made ids of no version. */
export function uuidText(bytes: Uint8Array): string {
	const hex = Buffer.from(bytes).toString('hex');
	return [8, 12, 16, 20, 32].map((end, at, ends) => hex.slice(ends[at - 1] ?? 0, end)).join('-');
}

type FlagName = keyof typeof inodeFlags;

// The letters of lsattr(1), in its order; flags without a letter come last.
const flagLetters: readonly (readonly [FlagName, string])[] = [
	['secureDelete', 's'],
	['undelete', 'u'],
	['synchronous', 'S'],
	['directorySync', 'D'],
	['immutable', 'i'],
	['appendOnly', 'a'],
	['noDump', 'd'],
	['noAtime', 'A'],
	['compress', 'c'],
	['compressedBlocks', 'B'],
	['noCompress', 'X'],
	['encrypted', 'E'],
	['journalData', 'j'],
	['hashIndexed', 'I'],
	['noTail', 't'],
	['topDirectory', 'T'],
	['extents', 'e'],
	['inlineData', 'N'],
	['projectInherit', 'P'],
	['casefold', 'F'],
	['verity', 'V'],
	['dax', 'x'],
	['dirty', ''],
	['afsMagic', ''],
	['hugeFile', ''],
	['eaInode', ''],
];

/** The letters that lsattr prints, and the name of every flag that is on; unknown bits as numbers. */
export function describeFlags(flags: number): {letters: string; names: string[]} {
	const known = flagLetters.filter(([name]) => (flags & inodeFlags[name]) !== 0);
	let rest = flags;
	for (const [name] of known) rest &= ~inodeFlags[name];
	const names: string[] = known.map(([name]) => name);
	if (rest !== 0) names.push(`0x${(rest >>> 0).toString(16)}`);
	return {letters: known.map(([, letter]) => letter).join(''), names};
}
