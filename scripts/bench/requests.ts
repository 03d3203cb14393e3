/**
 * Counts the requests that the kernel sends to a FUSE server, by opcode, with the kernel's own
 * tracepoint: one ruler for every server. FORGET passes the tracepoint by and is not counted.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {runToCleanUp} from './command.ts';

/** Counts by opcode, the most frequent first. */
export type RequestCounts = {readonly [opcode: string]: number};

/** For each CPU; a record takes some 40 bytes. */
const bufferKibibytes = 32 * 1024;

export class RequestCounter implements Disposable {
	readonly #tracefs: string;
	readonly #instance: string;

	private constructor(tracefs: string) {
		this.#tracefs = tracefs;
		this.#instance = path.join(tracefs, 'instances', `ext4box-bench-${process.pid}`);
		fs.mkdirSync(this.#instance);
		this.#write('buffer_size_kb', bufferKibibytes);
	}

	/** Undefined on a kernel without the tracepoint (it came with Linux 6.10). */
	static open(runDirectory: string): RequestCounter | undefined {
		const tracefs = path.join(runDirectory, 'tracefs');
		fs.mkdirSync(tracefs);
		if (!runToCleanUp('mount', ['-t', 'tracefs', 'tracefs', tracefs])) return undefined;
		if (fs.existsSync(path.join(tracefs, 'events/fuse/fuse_request_send'))) {
			return new RequestCounter(tracefs);
		}
		runToCleanUp('umount', [tracefs]);
		return undefined;
	}

	/** The requests of one connection during `work`. Throws where the trace has lost some. */
	async count(connection: number, work: () => Promise<unknown>): Promise<RequestCounts> {
		const event = 'events/fuse/fuse_request_send';
		this.#write('trace', '');
		this.#write(`${event}/filter`, `connection == ${connection}`);
		this.#write(`${event}/enable`, 1);
		try {
			await work();
		} finally {
			this.#write(`${event}/enable`, 0);
		}
		this.#assertComplete();
		return countLines(fs.readFileSync(path.join(this.#instance, 'trace'), 'utf8'));
	}

	[Symbol.dispose](): void {
		fs.rmdirSync(this.#instance);
		runToCleanUp('umount', [this.#tracefs]);
	}

	#assertComplete(): void {
		const cpus = path.join(this.#instance, 'per_cpu');
		for (const cpu of fs.readdirSync(cpus)) {
			const stats = fs.readFileSync(path.join(cpus, cpu, 'stats'), 'utf8');
			const lost = /^(?:overrun|dropped events): [1-9]/m.exec(stats);
			if (lost !== null) throw new Error(`the trace of requests has lost some: ${lost[0]}`);
		}
	}

	#write(file: string, value: string | number): void {
		fs.writeFileSync(path.join(this.#instance, file), String(value));
	}
}

/** Counts the opcodes in the text that the tracepoint prints. */
export function countLines(trace: string): RequestCounts {
	const counts = new Map<string, number>();
	for (const [, number = '', name] of trace.matchAll(/ opcode (\d+) \((?:FUSE_)?(\w+)\) len /g)) {
		const opcode = name === undefined || name.startsWith('0x') ? number : name;
		counts.set(opcode, (counts.get(opcode) ?? 0) + 1);
	}
	return Object.fromEntries([...counts].toSorted((a, b) => b[1] - a[1]));
}
