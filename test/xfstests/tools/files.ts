/** Small things that many tests do to files. */
import {closeSync, fsyncSync, openSync, writeFileSync, writeSync} from 'node:fs';
import {Random} from '../../fuzz/random.ts';

/** Bytes that follow from the seed, and from no other. */
export function bytesOf(seed: number, length: number): Buffer {
	const random = new Random(seed);
	const bytes = Buffer.alloc(Math.ceil(length / 4) * 4);
	for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(random.u32(), at);
	return bytes.subarray(0, length);
}

/** fsync(2) of a file or a directory. */
export function fsync(path: string): void {
	const descriptor = openSync(path, 'r');
	try {
		fsyncSync(descriptor);
	} finally {
		closeSync(descriptor);
	}
}

/** A file with these contents, in the place of what it had, and fsync. */
export function store(path: string, bytes: Uint8Array): void {
	writeFileSync(path, bytes);
	fsync(path);
}

/** At its end, without fsync. */
export function append(path: string, bytes: Uint8Array): void {
	const descriptor = openSync(path, 'a');
	try {
		writeSync(descriptor, bytes);
	} finally {
		closeSync(descriptor);
	}
}
