/**
 * What a workload has done, as a user saw it: an observation after every operation. From it follows
 * which states a crash may leave: the one after some operation between the last fsync and the
 * crash; only the bytes of files, which are written in place, may be those of any moment between.
 */
import type {Volume} from '../../ext4/index.ts';
import {Mapper} from '../../iomap/index.ts';
import {type Observation, type ObservedFile, observe} from '../support/observe.ts';

/** Observations by number: the crash may have left any from `least` to `most`. */
export type Window = {readonly least: number; readonly most: number};

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
	return a === b || Buffer.compare(a, b) === 0;
}

export class History {
	readonly observations: Observation[] = [];
	/** What was done before each of them. */
	readonly steps: string[] = [];
	#last = new Map<string, Uint8Array>();

	/** Notes how things are after `step`. Contents that have not changed are kept once. */
	note(volume: Volume, step: string): void {
		this.steps.push(step);
		const seen = observe(volume, new Mapper(volume));
		const contents = new Map<string, Uint8Array>();
		const files = new Map<string, ObservedFile>();
		for (const [path, file] of seen.files) {
			let {content} = file;
			if (content !== undefined) {
				const before = contents.get(file.identity) ?? this.#last.get(file.identity);
				if (before !== undefined && sameBytes(before, content)) content = before;
				contents.set(file.identity, content);
			}
			files.set(path, {...file, content});
		}
		this.#last = contents;
		this.observations.push({files, signature: seen.signature});
	}

	/** Why `found` is no state that a crash in `window` may leave; undefined where it is one. */
	problemOf(found: Observation, window: Window): string | undefined {
		const {least, most} = window;
		const allowed = this.observations.slice(least, most + 1);
		const same = allowed.filter(one => one.signature === found.signature);
		if (same.length === 0) return this.#describe(found, allowed);
		const problems = same.map(one => contentProblem(found, one, allowed));
		return problems.includes(undefined) ? undefined : problems[0];
	}

	#describe(found: Observation, allowed: readonly Observation[]): string {
		const nearest = allowed.at(-1)?.signature.split('\n') ?? [];
		const lines = found.signature.split('\n');
		const extra = lines.filter(line => !nearest.includes(line)).slice(0, 6);
		const missing = nearest.filter(line => !lines.includes(line)).slice(0, 6);
		return `no operation left it so; against the last one:\n+ ${extra.join('\n+ ')}\n- ${missing.join('\n- ')}`;
	}
}

function contentProblem(
	found: Observation,
	expected: Observation,
	allowed: readonly Observation[],
): string | undefined {
	for (const [path, file] of found.files) {
		const {content} = file;
		const wanted = expected.files.get(path)?.content;
		if (content === undefined || wanted === undefined || sameBytes(content, wanted)) continue;
		const versions = versionsOf(file.identity, allowed);
		const at = content.findIndex(
			(byte, index) => !versions.some(one => byte === (one[index] ?? 0)),
		);
		if (at !== -1) return `${path}: byte ${at} is ${content[at]}, which it never was`;
	}
	return undefined;
}

function versionsOf(identity: string, allowed: readonly Observation[]): Uint8Array[] {
	const versions = new Set<Uint8Array>();
	for (const {files} of allowed) {
		for (const file of files.values()) {
			if (file.identity === identity && file.content !== undefined) versions.add(file.content);
		}
	}
	return [...versions];
}
