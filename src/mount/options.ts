import {UsageError} from '../cli-error.ts';
import {parseBytes} from '../command-line.ts';
import {type Subtype, subtypes} from './mounts.ts';
import {
	type ErrorPolicy,
	type IdRange,
	type IomapWish,
	idMax,
	idRangesMax,
	iomapWishes,
	type OwnerMap,
} from './server-config.ts';

/**
 * The options of `-o`, under fuse2fs's names where it has them. Pure: text in, a typed object or a
 * UsageError out; nothing is looked up, so `map=me` stays a request until `ownerMapOf`.
 */
export type MountOptions = {
	/** `unsaid`: neither was named, so the mount is as writable as it can be. */
	readonly access: 'ro' | 'rw' | 'unsaid';
	/** Change a mount that exists, instead of making one. */
	readonly isRemount: boolean;
	readonly owners: OwnerRequest;
	readonly offset: number | null;
	readonly partition: number | null;
	readonly cacheBytes: number | null;
	readonly fsname: string | null;
	/** The type in the mount table, after `fuse.`. */
	readonly subtype: Subtype;
	readonly errors: ErrorPolicy;
	/** null: as `allowOther` has it. */
	readonly acl: boolean | null;
	readonly noRecovery: boolean;
	/** A read-only mount brings home what a crash has left in the image, as the kernel's does. */
	readonly isRecovered: boolean;
	readonly fakeroot: boolean;
	readonly allowOther: boolean;
	readonly defaultPermissions: boolean;
	readonly direct: boolean;
	readonly minixDf: boolean;
	readonly noExec: boolean;
	readonly noAtime: boolean;
	/** How old a change may become before it is committed. */
	readonly commitSeconds: number;
	/** Every change is on the medium before it is answered. */
	readonly isSync: boolean;
	/** So for changes of directories. */
	readonly isDirSync: boolean;
	/** After how long without an answer the server is cut off; 0: never. */
	readonly watchdogSeconds: number;
	/** Whose new files are, on disk, under a mapping of owners; null: their directory's. */
	readonly create: {readonly uid: number; readonly gid: number} | null;
	/** Whether a kernel that can is to move data itself. */
	readonly iomap: IomapWish;
	/** An image that is a file is attached to a loop device, whether iomap wants one or not. */
	readonly isLoop: boolean;
	readonly debug: boolean;
};

export type OwnerRequest = OwnerMap | {readonly kind: 'unsaid'} | {readonly kind: 'me'};

/** What the options say one by one, before they are looked at together. */
type Draft = Omit<MountOptions, 'owners'> & {
	readonly map: 'me' | 'image' | null;
	readonly uid: number | null;
	readonly gid: number | null;
	readonly ranges: readonly IdRange[];
};

/** As the kernel's ext4 has it. */
const commitSecondsDefault = 5;
/** What 32 bits of milliseconds hold, with which poll(2) waits. */
const commitSecondsMax = 1_000_000;

/** Shorter than what makes programs, suspend and a shutdown give up; longer than any request takes. */
const watchdogSecondsDefault = 30;
/** As the helper has it: WATCHDOG_MAX. */
const watchdogSecondsMax = 86_400;

const nothingSaid: Draft = {
	access: 'unsaid',
	isRemount: false,
	map: null,
	uid: null,
	gid: null,
	ranges: [],
	offset: null,
	partition: null,
	cacheBytes: null,
	fsname: null,
	subtype: 'ext4box',
	errors: 'default',
	acl: null,
	noRecovery: false,
	isRecovered: false,
	fakeroot: false,
	allowOther: false,
	defaultPermissions: false,
	direct: false,
	minixDf: false,
	noExec: false,
	noAtime: false,
	commitSeconds: commitSecondsDefault,
	isSync: false,
	isDirSync: false,
	watchdogSeconds: watchdogSecondsDefault,
	create: null,
	iomap: 'auto',
	isLoop: false,
	debug: false,
};

const flags: ReadonlyMap<string, Partial<Draft>> = new Map<string, Partial<Draft>>([
	['ro', {access: 'ro'}],
	['rw', {access: 'rw'}],
	['remount', {isRemount: true}],
	['sync', {isSync: true}],
	['async', {isSync: false}],
	['dirsync', {isDirSync: true}],
	['norecovery', {noRecovery: true}],
	['noload', {noRecovery: true}],
	['recover', {isRecovered: true}],
	['fakeroot', {fakeroot: true}],
	['allow_other', {allowOther: true}],
	['default_permissions', {defaultPermissions: true}],
	['acl', {acl: true}],
	['noacl', {acl: false}],
	['direct', {direct: true}],
	['minixdf', {minixDf: true}],
	['bsddf', {minixDf: false}],
	['loop', {isLoop: true}],
	['debug', {debug: true}],
	['noexec', {noExec: true}],
	['exec', {noExec: false}],
	['noatime', {noAtime: true}],
	['atime', {noAtime: false}],
]);

type TakeValue = (value: string) => Partial<Draft>;

const valued: ReadonlyMap<string, TakeValue> = new Map<string, TakeValue>([
	['offset', value => ({offset: parseBytes(value, 'option offset')})],
	['partition', value => ({partition: parsePartition(value)})],
	['cache_size', value => ({cacheBytes: parseCacheSize(value)})],
	['iomap', value => ({iomap: parseIomap(value)})],
	['errors', value => ({errors: parseErrors(value)})],
	['commit', value => ({commitSeconds: parseCommit(value)})],
	['watchdog', value => ({watchdogSeconds: parseWatchdog(value)})],
	['create', value => ({create: parseCreate(value)})],
	['map', value => ({map: parseMap(value)})],
	['uid', value => ({uid: parseId('uid', value)})],
	['gid', value => ({gid: parseId('gid', value)})],
	['idmap', value => ({ranges: [parseRange(value)]})],
	['fsname', value => ({fsname: parseFsname(value)})],
	['subtype', value => ({subtype: parseSubtype(value)})],
]);

/**
 * Accepted and without effect: always so (`nosuid`), the kernel's business on a FUSE mount, or words
 * that belong to fstab. A script written for fuse2fs or mount(8) goes on working.
 */
const withoutEffect = new Set([
	...['nosuid', 'nodev', 'defaults', 'auto', 'noauto', 'user', 'nouser', 'users', 'nofail'],
	...['_netdev', 'relatime', 'norelatime', 'strictatime', 'nodiratime', 'diratime'],
	...['user_xattr', 'barrier', 'nobarrier', 'delalloc', 'nodelalloc'],
	...['block_validity', 'noblock_validity', 'no_default_opts', 'nodiscard'],
]);

const rangePattern = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/;

/**
 * Reads the values of all `-o`, in their order; of two that contradict each other the later wins, as
 * with mount(8). After `idmap=`, further pieces of the form N:N:N belong to it. `onUnknown` is told of
 * what is none of ours; by default it throws a UsageError.
 */
export function parseMountOptions(
	lists: readonly string[],
	onUnknown: (piece: string) => void = refuseUnknown,
): MountOptions {
	let draft = nothingSaid;
	let previous = '';
	for (const piece of lists.flatMap(splitPieces)) {
		const isRange = previous === 'idmap' && rangePattern.test(piece);
		const {name, said} = isRange
			? {name: previous, said: {ranges: [parseRange(piece)]}}
			: parsePiece(piece, onUnknown);
		const ranges = [...draft.ranges, ...(said.ranges ?? [])];
		draft = {...draft, ...said, ranges};
		previous = name;
	}
	return finish(draft);
}

/** Splits at commas; a backslash takes the next character as it is, so that a name may hold one. */
function splitPieces(list: string): string[] {
	const pieces = [''];
	for (let at = 0; at < list.length; at++) {
		const character = list.charAt(at);
		if (character === ',') {
			pieces.push('');
			continue;
		}
		const isEscape = character === '\\' && at + 1 < list.length;
		pieces.push(pieces.pop() + (isEscape ? list.charAt(++at) : character));
	}
	return pieces.filter(piece => piece !== '');
}

function refuseUnknown(piece: string): never {
	throw new UsageError(`unknown mount option: ${JSON.stringify(piece)}`);
}

function parsePiece(
	piece: string,
	onUnknown: (piece: string) => void,
): {name: string; said: Partial<Draft>} {
	const equals = piece.indexOf('=');
	const name = equals < 0 ? piece : piece.slice(0, equals);
	const said = flags.get(name);
	const takeValue = valued.get(name);
	if (takeValue !== undefined) {
		if (equals < 0 || equals === piece.length - 1) {
			throw new UsageError(`option ${name} needs a value: ${name}=…`);
		}
		return {name, said: takeValue(piece.slice(equals + 1))};
	}
	if (said !== undefined) {
		if (equals >= 0) {
			throw new UsageError(`option ${name} takes no value`);
		}
		return {name, said};
	}
	if (name === 'suid' || name === 'dev') {
		throw new UsageError(`option ${name} is not possible: an image is always mounted no${name}`);
	}
	if (!withoutEffect.has(name) && !name.startsWith('x-')) {
		onUnknown(piece);
	}
	return {name, said: {}};
}

function finish(draft: Draft): MountOptions {
	const {map, uid, gid, ranges, ...rest} = draft;
	if (rest.noRecovery && rest.access === 'rw') {
		throw new UsageError(
			'options norecovery and rw exclude each other: what a journal holds would be overtaken',
		);
	}
	if (rest.noRecovery && rest.isRecovered) {
		throw new UsageError('options norecovery and recover exclude each other');
	}
	if (rest.isRemount && rest.access === 'unsaid') {
		throw new UsageError('option remount: to what? Name ro or rw with it');
	}
	if (rest.offset !== null && rest.partition !== null) {
		throw new UsageError('options offset and partition exclude each other');
	}
	// A journal that is left alone is not for writing beside.
	const access = rest.noRecovery ? 'ro' : rest.access;
	return {...rest, access, owners: ownersOf({map, uid, gid, ranges})};
}

function ownersOf({
	map,
	uid,
	gid,
	ranges,
}: Pick<Draft, 'map' | 'uid' | 'gid' | 'ranges'>): OwnerRequest {
	const isOwner = uid !== null || gid !== null;
	if (Number(map !== null) + Number(isOwner) + Number(ranges.length > 0) > 1) {
		throw new UsageError('of the options map, uid and gid, and idmap only one can be given');
	}
	if (ranges.length > 0) {
		checkRanges(ranges);
		return {kind: 'ranges', ranges};
	}
	if (isOwner) {
		return {kind: 'owner', uid, gid};
	}
	return {kind: map ?? 'unsaid'};
}

/** One range's ids must not be another's on either side, or the way back would be open to choice. */
function checkRanges(ranges: readonly IdRange[]): void {
	if (ranges.length > idRangesMax) {
		throw new UsageError(`option idmap: ${ranges.length} ranges, at most ${idRangesMax}`);
	}
	for (const side of ['image', 'host'] as const) {
		const sorted = ranges.toSorted((one, other) => one[side] - other[side]);
		for (const [index, range] of sorted.entries()) {
			const before = sorted[index - 1];
			if (before !== undefined && range[side] < before[side] + before.count) {
				throw new UsageError(
					`option idmap: ranges ${showRange(before)} and ${showRange(range)} overlap`,
				);
			}
		}
	}
}

function showRange(range: IdRange): string {
	return `${range.image}:${range.host}:${range.count}`;
}

function parseRange(text: string): IdRange {
	const match = rangePattern.exec(text);
	const [image, host, count] = (match ?? []).slice(1).map(Number);
	if (image === undefined || host === undefined || count === undefined) {
		throw new UsageError(`option idmap: ${JSON.stringify(text)} is not IMAGE:HOST:COUNT`);
	}
	if (count === 0 || image + count - 1 > idMax || host + count - 1 > idMax) {
		throw new UsageError(`option idmap: ${text} is empty or goes beyond ${idMax}`);
	}
	return {image, host, count};
}

function parseId(name: string, text: string): number {
	const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
	if (!(id <= idMax)) {
		throw new UsageError(`option ${name}: ${JSON.stringify(text)} is not a number of an id`);
	}
	return id;
}

function parseCacheSize(text: string): number {
	const bytes = parseBytes(text, 'option cache_size');
	if (bytes === 0) {
		throw new UsageError('option cache_size: a cache of nothing can hold no block');
	}
	return bytes;
}

function parseCommit(text: string): number {
	const seconds = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
	if (!(seconds <= commitSecondsMax)) {
		throw new UsageError(
			`option commit: ${JSON.stringify(text)} is no number of seconds up to ${commitSecondsMax}`,
		);
	}
	// As the kernel's ext4: 0 is the default.
	return seconds === 0 ? commitSecondsDefault : seconds;
}

function parseWatchdog(text: string): number {
	const seconds = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
	if (!(seconds <= watchdogSecondsMax)) {
		throw new UsageError(
			`option watchdog: ${JSON.stringify(text)} is no number of seconds up to ${watchdogSecondsMax}`,
		);
	}
	return seconds;
}

function parseCreate(text: string): {uid: number; gid: number} {
	const [uid, gid, rest] = text.split(':');
	if (uid === undefined || gid === undefined || rest !== undefined) {
		throw new UsageError(`option create: ${JSON.stringify(text)} is not UID:GID`);
	}
	return {uid: parseId('create', uid), gid: parseId('create', gid)};
}

function parsePartition(text: string): number {
	if (!/^[1-9]\d{0,4}$/.test(text)) {
		throw new UsageError(
			`option partition: ${JSON.stringify(text)} is not a partition's number (1, 2, …)`,
		);
	}
	return Number(text);
}

function parseIomap(text: string): IomapWish {
	const wish = iomapWishes.find(one => one === text);
	if (wish !== undefined) return wish;
	throw new UsageError(
		`option iomap: ${JSON.stringify(text)} is none of ${iomapWishes.join(', ')}`,
	);
}

function parseErrors(text: string): ErrorPolicy {
	if (text !== 'continue' && text !== 'remount-ro' && text !== 'panic') {
		throw new UsageError(
			`option errors: ${JSON.stringify(text)} is none of continue, remount-ro, panic`,
		);
	}
	return text;
}

function parseMap(text: string): 'me' | 'image' {
	if (text === 'me') {
		return 'me';
	}
	if (text === 'image' || text === 'none') {
		return 'image';
	}
	throw new UsageError(`option map: ${JSON.stringify(text)} is neither me nor image`);
}

function parseFsname(text: string): string {
	if (hasUnescapedControls(text)) {
		throw new UsageError('option fsname: a control character in the name');
	}
	if (Buffer.byteLength(text) > fsnameBytesMax) {
		throw new UsageError(`option fsname: more than ${fsnameBytesMax} bytes`);
	}
	return text;
}

function parseSubtype(text: string): Subtype {
	const subtype = subtypes.find(known => known === text);
	if (subtype === undefined) {
		throw new UsageError(
			`option subtype: ${JSON.stringify(text)} is none of ${subtypes.join(', ')}`,
		);
	}
	return subtype;
}

/**
 * Whether a mount table would show control characters of `name` as they are: tab and line feed the kernel
 * writes in octal, as it does in paths. As the helper has it.
 */
export function hasUnescapedControls(name: string): boolean {
	return /[\0-\x08\x0b-\x1f\x7f]/.test(name);
}

/** As the helper has it: FSNAME_MAX. */
export const fsnameBytesMax = 1024;

/** Settles a request: what `me` means, and what is meant when nothing was said. */
export function ownerMapOf(
	request: OwnerRequest,
	mounter: {readonly uid: number; readonly gid: number},
	whenUnsaid: 'image' | 'me',
): OwnerMap {
	const kind = request.kind === 'unsaid' ? whenUnsaid : request.kind;
	if (kind === 'me') {
		return {kind: 'owner', uid: mounter.uid, gid: mounter.gid};
	}
	return request.kind === 'owner' || request.kind === 'ranges' ? request : {kind: 'image'};
}
