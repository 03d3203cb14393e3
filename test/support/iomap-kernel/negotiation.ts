/** INIT and CONFIG: what kernel and server agree on before the first file is looked at. */
import type {Requests} from './requests.ts';
import type {Geometry} from './validate.ts';
import {errnos, KernelError} from './wire.ts';

const allInitFlags = 2 ** 32 - 1;
const initExtended = 1 << 30;
const initKillsPrivileges = 1 << 28;
const initWritebackCache = 1 << 16;
/** Bit 43, in the second word of flags. */
const initIomap = 1 << 11;
const experimentalMinor = 99;
const configBytesMax = 104;
const cacheBytes = {least: 256, default: 256 * 1024, most: 2 * 1024 * 1024} as const;
/** What a cached mapping is taken to cost; the sources do not promise a number. */
const recordBytes = 64;

export type Agreement = {
	readonly geometry: Geometry;
	/** The server takes privileges away itself. */
	readonly killsPrivileges: boolean;
	/** Mappings that may be cached of a file, for each direction. */
	readonly cachedMax: number;
	/** In nanoseconds. */
	readonly timeGranularity: number;
};

/** Whether the server takes part; undefined where it does not. */
export function initialise(requests: Requests): {readonly killsPrivileges: boolean} | undefined {
	const {view} = requests.send('INIT', {
		fields: {
			major: 7,
			minor: experimentalMinor,
			max_readahead: 131_072,
			flags: allInitFlags,
			flags2: allInitFlags,
		},
	});
	const minor = view.getUint32(4, true);
	const flags = view.getUint32(12, true);
	const hasIomap = (flags & initExtended) !== 0 && (view.getUint32(32, true) & initIomap) !== 0;
	if (!hasIomap || minor < experimentalMinor) return undefined;
	if ((flags & initWritebackCache) !== 0) {
		throw new Error(
			'with the write-back cache, opening an iomap file for writing crashes a kernel',
		);
	}
	return {killsPrivileges: (flags & initKillsPrivileges) !== 0};
}

/** Throws `KernelError` where the connection becomes unusable. */
export function configure(
	requests: Requests,
	device: {readonly number: number; readonly sizeBytes: number},
): Omit<Agreement, 'killsPrivileges'> {
	const {error, view, payload} = requests.send('IOMAP_CONFIG', {
		nodeId: 0,
		fields: {flags: 0x7f, maxbytes: Number.MAX_SAFE_INTEGER, cache_maxbytes: cacheBytes.default},
	});
	if (error !== 0) throw new KernelError(error, 'CONFIG');
	const refuse = (why: string) => {
		throw new KernelError(errnos.EINVAL, why);
	};
	if (payload.length > configBytesMax) refuse('CONFIG is too long');
	const whole = new DataView(new ArrayBuffer(configBytesMax));
	new Uint8Array(whole.buffer).set(payload);
	const flags = Number(view.getBigUint64(0, true));
	if (flags > 0x7f) refuse('CONFIG flags');
	if (whole.getUint8(56) > 16) refuse('a uuid of that length');
	if (payload.subarray(57, 60).some(byte => byte !== 0)) refuse('padding');
	if (whole.getUint32(100, true) !== 0) refuse('padding');
	const has = (bit: number) => (flags & bit) !== 0;
	const blockSize = has(0x4) ? whole.getUint32(60, true) : 4096;
	// A real kernel does not look, and may crash later.
	if (blockSize < 512 || blockSize > 4096) refuse(`blocks of ${blockSize} bytes`);
	const asked = has(0x40) ? whole.getUint32(96, true) : 0;
	const wanted = asked === 0 ? cacheBytes.default : asked;
	const bytes = Math.min(cacheBytes.most, Math.max(cacheBytes.least, wanted));
	return {
		geometry: {
			blockSize,
			maxBytes: has(0x20) ? whole.getBigUint64(88, true) : 2n ** 63n - 1n,
			devices: new Set([device.number]),
			deviceBytes: device.sizeBytes,
		},
		cachedMax: bytes / recordBytes,
		timeGranularity: has(0x10) ? whole.getUint32(68, true) : 1,
	};
}
