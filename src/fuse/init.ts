/** INIT: what the kernel offers, what the server wishes, what both then agree on. */
import {type InitFlag, initFlagBits, initIn, initOut, kernelMajor, oldestMinor} from './layout.ts';
import {payloadAt, type Reply, type Request} from './message.ts';

export type Experiment = {
	readonly bit: number;
	readonly minor: number;
	/** Not agreed on beside it, although wished for. */
	readonly excludes: readonly InitFlag[];
};

export type InitWishes = {
	/** Each is agreed on if the kernel offers it. */
	readonly flags: readonly InitFlag[];
	/** The newest minor that the server speaks. */
	readonly minor: number;
	/** Bound of a WRITE, and with MAX_PAGES of a READ; a multiple of `pageBytes`. */
	readonly maxTransferBytes: number;
	/** The kernel's page, in which it counts a READ's bound: arm64 has kernels with 16 and 64 KiB. */
	readonly pageBytes: number;
	/** How many READs ahead of need the kernel may keep waiting at once. */
	readonly maxBackground: number;
	/** What is not part of the protocol yet: a bit that offers and accepts it, and its minor. */
	readonly experiment?: Experiment | undefined;
	/** The finest difference of times that the file system keeps, in nanoseconds; 1 by default. */
	readonly timeGranularity?: number;
};

export type InitOffer = {
	readonly major: number;
	readonly minor: number;
	readonly flags: ReadonlySet<InitFlag>;
	readonly maxReadaheadBytes: number;
	/** Whether that bit was set, were it one that is not known here. */
	readonly hasBit: (bit: number) => boolean;
};

export type Agreement = {
	readonly kernelMinor: number;
	readonly minor: number;
	readonly flags: ReadonlySet<InitFlag>;
	/** `InitWishes.experiment` is on. */
	readonly isExperimental: boolean;
	readonly maxReadaheadBytes: number;
	readonly maxTransferBytes: number;
};

/** What a kernel transfers without MAX_PAGES. */
const defaultPagesMax = 32;

function hasBit(low: number, high: number, bit: number): boolean {
	return (((bit < 32 ? low : high) >>> (bit % 32)) & 1) === 1;
}

function flagsIn(low: number, high: number): Set<InitFlag> {
	const found = new Set<InitFlag>();
	for (const [name, bit] of Object.entries(initFlagBits)) {
		if (hasBit(low, high, bit)) found.add(name as InitFlag); // A key of the table.
	}
	return found;
}

function wordsOf(
	flags: ReadonlySet<InitFlag>,
	experiment: InitWishes['experiment'],
): {low: number; high: number} {
	let low = 0;
	let high = 0;
	const bits = [...flags].map(flag => initFlagBits[flag] as number);
	if (experiment !== undefined) bits.push(experiment.bit);
	for (const bit of bits) {
		if (bit < 32) low += 2 ** bit;
		else high += 2 ** (bit - 32);
	}
	return {low, high};
}

/** `bodyBytes` is the length of the INIT request without its header: old kernels send less. */
export function readOffer(request: Request, bodyBytes: number): InitOffer {
	const low = request.u32(initIn.at.flags);
	const hasHigh = hasBit(low, 0, initFlagBits.INIT_EXT) && bodyBytes >= initIn.at.flags2 + 4;
	const high = hasHigh ? request.u32(initIn.at.flags2) : 0;
	return {
		major: request.u32(initIn.at.major),
		minor: request.u32(initIn.at.minor),
		flags: flagsIn(low, high),
		maxReadaheadBytes: request.u32(initIn.at.max_readahead),
		hasBit: bit => hasBit(low, high, bit),
	};
}

/** Why the two can't speak with one another; undefined if they can. */
export function versionProblem(offer: InitOffer): string | undefined {
	if (offer.major === kernelMajor && offer.minor >= oldestMinor) return undefined;
	return `the kernel speaks FUSE ${offer.major}.${offer.minor}; ${kernelMajor}.${oldestMinor} (Linux 5.4) or newer is needed`;
}

export function agree(offer: InitOffer, wishes: InitWishes): Agreement {
	const {experiment} = wishes;
	const isExperimental =
		experiment !== undefined && offer.hasBit(experiment.bit) && offer.minor >= experiment.minor;
	const excluded = isExperimental ? experiment.excludes : [];
	const flags = new Set(
		wishes.flags.filter(flag => offer.flags.has(flag) && !excluded.includes(flag)),
	);
	const transferMax = flags.has('MAX_PAGES')
		? wishes.maxTransferBytes
		: Math.min(wishes.maxTransferBytes, defaultPagesMax * wishes.pageBytes);
	return {
		kernelMinor: offer.minor,
		minor: isExperimental ? experiment.minor : Math.min(offer.minor, wishes.minor),
		isExperimental,
		flags,
		maxReadaheadBytes: offer.maxReadaheadBytes,
		maxTransferBytes: transferMax,
	};
}

/** Writes the payload of the reply to INIT; returns its length. */
export function writeAgreement(reply: Reply, agreement: Agreement, wishes: InitWishes): number {
	const {view} = reply;
	const {at} = initOut;
	const {low, high} = wordsOf(
		agreement.flags,
		agreement.isExperimental ? wishes.experiment : undefined,
	);
	view.setUint32(payloadAt + at.major, kernelMajor, true);
	view.setUint32(payloadAt + at.minor, agreement.minor, true);
	view.setUint32(payloadAt + at.max_readahead, agreement.maxReadaheadBytes, true);
	view.setUint32(payloadAt + at.flags, low, true);
	view.setUint32(payloadAt + at.flags2, high, true);
	view.setUint16(payloadAt + at.max_background, wishes.maxBackground, true);
	view.setUint16(payloadAt + at.congestion_threshold, Math.ceil(wishes.maxBackground * 0.75), true);
	view.setUint32(payloadAt + at.max_write, agreement.maxTransferBytes, true);
	view.setUint16(payloadAt + at.max_pages, agreement.maxTransferBytes / wishes.pageBytes, true);
	view.setUint32(payloadAt + at.time_gran, wishes.timeGranularity ?? 1, true);
	return initOut.sizeBytes;
}
