/** Usage and limits of one entry. What the kernel's `dquot.c` decides, decided the same here. */
import {FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {v2_disk_dqheader, v2r1_disk_dqblk} from '../layout/quota.ts';
import type {Place, QuotaFile} from './file.ts';

/** How much usage changes by. */
export type Change = {readonly bytes: number; readonly inodes: number};

type Limits = {
	/** In the unit of the usage; 0 for none. */
	readonly hard: number;
	readonly soft: number;
	/** Seconds that the soft limit may be passed for. */
	readonly grace: number;
};

/** What a resource's use becomes, and from when on its soft limit binds: 0 while it is kept. */
type Usage = {readonly used: number; readonly bindsAt: number};

/** Throws `FileError` EDQUOT where limits forbid the change. */
function changed(
	usage: Usage,
	delta: number,
	limits: Limits,
	now: number,
	mayExceed: boolean,
): Usage {
	// A count that was too small before us must not become a huge one.
	const used = Math.max(0, usage.used + delta);
	if (delta <= 0) return {used, bindsAt: used <= limits.soft ? 0 : usage.bindsAt};
	const isAboveSoft = limits.soft > 0 && used > limits.soft;
	const isOver =
		(limits.hard > 0 && used > limits.hard) ||
		(isAboveSoft && usage.bindsAt !== 0 && now >= usage.bindsAt);
	if (isOver && !mayExceed) throw new FileError('EDQUOT', 'the quota is used up');
	return {used, bindsAt: isAboveSoft && usage.bindsAt === 0 ? now + limits.grace : usage.bindsAt};
}

function secondsNow(handle: Handle): number {
	return Math.max(0, handle.now.seconds);
}

/** Changes what an entry counts. Throws `FileError` EDQUOT, `CorruptError`, `DeviceError`. */
export function changeUsage(handle: Handle, file: QuotaFile, place: Place, change: Change): void {
	const {block: infoBlock, at: infoAt} = file.blockAt(0);
	const info = v2_disk_dqheader.at(infoBlock.view, infoAt);
	const now = secondsNow(handle);
	handle.touch(place.block);
	const entry = v2r1_disk_dqblk.edit(place.block.view, place.at);
	if (change.bytes !== 0) {
		const limits = {
			hard: entry.dqb_bhardlimit * 1024,
			soft: entry.dqb_bsoftlimit * 1024,
			grace: info.dqi_bgrace,
		};
		const before = {used: entry.dqb_curspace, bindsAt: entry.dqb_btime};
		const after = changed(before, change.bytes, limits, now, handle.mayUseReserved);
		entry.dqb_curspace = after.used;
		entry.dqb_btime = after.bindsAt;
	}
	if (change.inodes !== 0) {
		const limits = {
			hard: entry.dqb_ihardlimit,
			soft: entry.dqb_isoftlimit,
			grace: info.dqi_igrace,
		};
		const before = {used: entry.dqb_curinodes, bindsAt: entry.dqb_itime};
		const after = changed(before, change.inodes, limits, now, handle.mayUseReserved);
		entry.dqb_curinodes = after.used;
		entry.dqb_itime = after.bindsAt;
	}
	keepDistinct(entry);
}

/** In place of a time; no soft limit begins to bind in the first second of 1970. */
const emptyMark = 1;

type Entry = ReturnType<typeof v2r1_disk_dqblk.edit>;

/** The entry of id 0 with nothing in it would look like a free one: it gets a mark as long as so. */
export function keepDistinct(entry: Entry): void {
	if (entry.dqb_id !== 0 || entry.dqb_itime > emptyMark) return;
	const isEmpty =
		entry.dqb_curspace === 0 &&
		entry.dqb_curinodes === 0 &&
		entry.dqb_bhardlimit === 0 &&
		entry.dqb_bsoftlimit === 0 &&
		entry.dqb_ihardlimit === 0 &&
		entry.dqb_isoftlimit === 0 &&
		entry.dqb_btime === 0;
	entry.dqb_itime = isEmpty ? emptyMark : 0;
}

/** Bytes that an entry's limits leave; `Infinity` where it has none. */
export function bytesLeft(handle: Handle, place: Place): number {
	if (handle.mayUseReserved) return Number.POSITIVE_INFINITY;
	const entry = v2r1_disk_dqblk.at(place.block.view, place.at);
	const hard = entry.dqb_bhardlimit * 1024;
	const soft = entry.dqb_bsoftlimit * 1024;
	const softBinds = soft > 0 && entry.dqb_btime !== 0 && secondsNow(handle) >= entry.dqb_btime;
	const limit = Math.min(
		hard > 0 ? hard : Number.POSITIVE_INFINITY,
		softBinds ? soft : Number.POSITIVE_INFINITY,
	);
	return Math.max(0, limit - entry.dqb_curspace);
}
