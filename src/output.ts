/**
 * Results, on stdout: text, bytes, tables, JSON. Written synchronously and in order, so that
 * memory stays bounded however slow the reader is.
 */
import {writeSync} from 'node:fs';
import {isatty} from 'node:tty';
import {CliError} from './cli-error.ts';
import {systemErrorText} from './system-error.ts';

/** Whoever read our output has gone: an end, not a failure. */
export class OutputClosed extends Error {
	override readonly name = 'OutputClosed';
}

/** The output can't be written: a full disk, most likely. */
export class OutputFailed extends CliError {
	constructor(cause: unknown) {
		super(`can't write the output: ${systemErrorText(cause)}`);
		this.name = 'OutputFailed';
	}
}

const bufferBytes = 0x1_0000;
const buffer = new Uint8Array(bufferBytes);
let buffered = 0;

function waitABit(): void {
	Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

function writeAll(bytes: Uint8Array): void {
	let done = 0;
	while (done < bytes.length) {
		try {
			done += writeSync(1, bytes, done);
		} catch (error) {
			const code = error instanceof Error && 'code' in error ? error.code : undefined;
			if (code === 'EPIPE') throw new OutputClosed();
			if (code !== 'EAGAIN') throw new OutputFailed(error);
			waitABit(); // Someone who shares the pipe made it non-blocking.
		}
	}
}

/** Writes what is buffered. Throws `OutputClosed` and `OutputFailed`. */
export function flushOutput(): void {
	const count = buffered;
	buffered = 0;
	writeAll(buffer.subarray(0, count));
}

export function printBytes(bytes: Uint8Array): void {
	if (buffered + bytes.length > bufferBytes) flushOutput();
	if (bytes.length > bufferBytes) {
		writeAll(bytes);
		return;
	}
	buffer.set(bytes, buffered);
	buffered += bytes.length;
}

const encoder = new TextEncoder();

export function print(text: string): void {
	printBytes(encoder.encode(text));
}

export function printLine(text = ''): void {
	print(`${text}\n`);
}

// What JSON lets stand in its strings and a terminal would act on; see `unsafe`.
const unsafeInJson = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** `value` as JSON that can be shown on any terminal. */
export function toJsonText(value: unknown, indent?: string): string {
	return JSON.stringify(value, undefined, indent).replace(
		unsafeInJson,
		character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
	);
}

export function printJson(value: unknown): void {
	printLine(toJsonText(value, '\t'));
}

/** An array, an element a line, without holding it whole. */
export function printJsonList(values: Iterable<unknown>): void {
	let separator = '[\n';
	for (const value of values) {
		print(`${separator}${toJsonText(value)}`);
		separator = ',\n';
	}
	print(separator === '[\n' ? '[]\n' : '\n]\n');
}

let isTerminal: boolean | undefined;

export function outputIsTerminal(): boolean {
	isTerminal ??= isatty(1);
	return isTerminal;
}

const strict = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true});

/** The text that `bytes` are in UTF-8; undefined where they are not. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
	try {
		return strict.decode(bytes);
	} catch (error) {
		if (error instanceof TypeError) return undefined;
		throw error;
	}
}

// Control characters of both kinds, line separators, and what turns the direction of writing.
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
const needsQuotes = /[\s!"#$&()*;<=>?[\\\]^`{|}~]/;
const shortEscapes: {readonly [code: number]: string} = {
	7: '\\a',
	8: '\\b',
	9: '\\t',
	10: '\\n',
	11: '\\v',
	12: '\\f',
	13: '\\r',
	27: '\\e',
	39: "\\'",
	92: '\\\\',
};

function dollarQuote(bytes: Uint8Array): string {
	let text = "$'";
	for (const byte of bytes) {
		const isPlain = byte >= 0x20 && byte < 0x7f && shortEscapes[byte] === undefined;
		text += isPlain
			? String.fromCharCode(byte)
			: (shortEscapes[byte] ?? `\\${byte.toString(8).padStart(3, '0')}`);
	}
	return `${text}'`;
}

/**
 * A name as a shell would take it back, and as no terminal would act on it: `plain`, `'a b'`,
 * `$'a\nb'`.
 */
export function quoteName(name: Uint8Array): string {
	const text = decodeUtf8(name);
	if (text === undefined || unsafe.test(text)) return dollarQuote(name);
	if (text === '') return "''";
	// Inside double quotes these would still act.
	if (text.includes("'")) return /["$`\\!]/.test(text) ? dollarQuote(name) : `"${text}"`;
	return needsQuotes.test(text) ? `'${text}'` : text;
}

/** A name for stdout: quoted where a terminal shows it, byte for byte where a program reads it. */
export function printName(name: Uint8Array): void {
	if (outputIsTerminal()) print(quoteName(name));
	else printBytes(name);
}

/**
 * Bytes for JSON, under `key` where they are UTF-8 and under `keyBase64` where they are not. Spread
 * it into an object.
 */
export function jsonBytes(key: string, bytes: Uint8Array): {[key: string]: string} {
	const text = decodeUtf8(bytes);
	if (text !== undefined) return {[key]: text};
	return {[`${key}Base64`]: Buffer.from(bytes).toString('base64')};
}

export type Alignment = 'left' | 'right';

/** Columns as wide as their widest cell, `gap` apart. Cells are text of one column a character. */
export function formatTable(
	rows: readonly (readonly string[])[],
	alignments: readonly Alignment[],
	gap = '  ',
): string {
	const widths = alignments.map((_, column) =>
		rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
	);
	const lines = rows.map(row =>
		row
			.map((cell, column) => {
				const width = widths[column] ?? 0;
				return alignments[column] === 'right' ? cell.padStart(width) : cell.padEnd(width);
			})
			.join(gap)
			.trimEnd(),
	);
	return lines.map(line => `${line}\n`).join('');
}
