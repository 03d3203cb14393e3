/** What the kernel checks of an answer to BEGIN and of a mapping that is put into its cache. */
import {errnos, KernelError, noAddress, types, type WireRecord} from './wire.ts';

export type Geometry = {
	readonly blockSize: number;
	readonly maxBytes: bigint;
	readonly devices: ReadonlySet<number>;
	/** Of the device, for what is put into the cache. */
	readonly deviceBytes: number;
};

const knownTypes: ReadonlySet<number> = new Set(Object.values(types));
const knownFlags = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20 | 0x40 | 0x80;
const highest = 1n << 64n;

function refuse(why: string): never {
	throw new KernelError(errnos.EUCLEAN, why);
}

function checkRange({offset, length}: WireRecord, {blockSize, maxBytes}: Geometry): void {
	const unit = BigInt(blockSize);
	if (length === 0n) refuse('an empty mapping');
	if (offset % unit !== 0n || length % unit !== 0n) refuse('a mapping of parts of blocks');
	if (offset >= maxBytes || offset + length >= highest) refuse('a mapping beyond the largest file');
}

function checkPlace(record: WireRecord, {devices}: Geometry): void {
	const {type, address, device, length} = record;
	if (type === types.mapped || type === types.unwritten) {
		if (device === 0 || !devices.has(device)) refuse(`device ${device} is not known`);
		if (address === noAddress) refuse('no address');
		if (address + length >= highest) refuse('an address beyond all devices');
		return;
	}
	if (device !== 0 || address !== noAddress) refuse(`type ${type} with a device or an address`);
}

function checkRecord(record: WireRecord, geometry: Geometry): void {
	if (!knownTypes.has(record.type)) refuse(`type ${record.type} is not known`);
	if ((record.flags & ~knownFlags) !== 0) refuse(`flags ${record.flags} are not known`);
	checkRange(record, geometry);
	checkPlace(record, geometry);
}

/** Throws `KernelError` as the caller would see it. */
export function checkBegin(
	read: WireRecord,
	write: WireRecord,
	position: number,
	geometry: Geometry & {readonly hasCache: boolean},
): void {
	// Of "look again" nothing but the type is looked at.
	const isRetry = read.type === types.retryCache && geometry.hasCache;
	for (const record of isRetry ? [write] : [read, write]) {
		checkRecord(record, geometry);
		if (record.offset > BigInt(position)) refuse('a mapping that starts after what was asked for');
		if (record.offset + record.length <= BigInt(position)) refuse('a mapping that ends before it');
		if (record.type === types.noCache) refuse('NOCACHE is for the cache alone');
	}
	if (read.type === types.pureOverwrite) refuse('PURE_OVERWRITE in the read half');
	if (read.type === types.retryCache && !isRetry)
		refuse('RETRY_CACHE where nothing is in the cache');
	if (write.type === types.retryCache) refuse('RETRY_CACHE in the write half');
}

/** Throws `KernelError` as write(2) on the device would fail. */
export function checkUpsert(record: WireRecord, geometry: Geometry): void {
	if (record.type === types.noCache) return;
	if (record.type === types.retryCache) refuse('RETRY_CACHE');
	checkRecord(record, geometry);
	const isPlaced = record.type === types.mapped || record.type === types.unwritten;
	if (isPlaced && record.address + record.length > BigInt(geometry.deviceBytes)) {
		refuse('a mapping beyond the end of the device');
	}
}
