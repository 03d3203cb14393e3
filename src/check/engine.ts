/**
 * Runs a check in threads of its own:
 *
 *   main thread ◄── findings, progress, summary ── engine ◄── results ── scan × (jobs − 1)
 *   prints, hears signals                          passes ── tasks ──►   inode tables
 *                                                  scans with them
 *
 * The main thread makes all of them, so that it hears of each that ends, and can end them all.
 */
import {MessageChannel, Worker} from 'node:worker_threads';
import type {CheckSummary} from '../../ext4/check/check.ts';
import type {Finding} from '../../ext4/check/finding.ts';
import type {Progress} from '../../ext4/check/state.ts';
import type {OpenedImage} from '../../images/index.ts';
import {programFile} from '../program-files.ts';
import type {DeviceWindow, EngineMessage} from './messages.ts';

export type EngineOptions = {
	readonly maxFindings: number;
	/** Threads that scan inode tables, at least one; the engine's is one of them. */
	readonly jobs: number;
	/** Ends the check. */
	readonly signal: AbortSignal;
	onFindings(findings: readonly Finding[]): void;
	onProgress(progress: Progress): void;
};

/**
 * Room of each thread for what is garbage soon; Node's own choice is up to 48 MiB, of which a check
 * would fill what it gets. With less than this, collecting takes more than 3 % of its time.
 */
const youngMib = {engine: 6, scan: 3} as const;

/** The check was ended before it was done. */
export class Interrupted extends Error {
	override readonly name = 'Interrupted';
}

/**
 * Resolves to the summary. Rejects with `Interrupted`, and with whatever a callback throws or a
 * thread ends by, which is a fault of ours.
 */
export async function runEngine(image: OpenedImage, options: EngineOptions): Promise<CheckSummary> {
	if (options.signal.aborted) throw new Interrupted();
	const window: DeviceWindow = {
		descriptor: image.raw.descriptor,
		imageBytes: image.raw.sizeBytes,
		startBytes: image.offsetBytes,
		sizeBytes: image.sizeBytes,
	};
	const answers = new SharedArrayBuffer(4);
	const channels = Array.from({length: options.jobs - 1}, () => new MessageChannel());
	const scanners = channels.map(
		({port1}) =>
			new Worker(programFile('check/scan-thread'), {
				workerData: {window, answers, port: port1},
				resourceLimits: {maxYoungGenerationSizeMb: youngMib.scan},
				transferList: [port1],
			}),
	);
	const ports = channels.map(({port2}) => port2);
	const engine = new Worker(programFile('check/engine-thread'), {
		workerData: {window, maxFindings: options.maxFindings, answers, ports},
		resourceLimits: {maxYoungGenerationSizeMb: youngMib.engine},
		transferList: ports,
	});
	try {
		return await new Promise<CheckSummary>((resolve, reject) => {
			for (const worker of [engine, ...scanners]) {
				worker.on('error', reject);
				worker.on('exit', code => {
					// Those that scan end when the engine has: its summary may still be on its way here.
					if (worker !== engine && code === 0) return;
					reject(new Error(`a thread of the check ended with ${code}`));
				});
			}
			options.signal.addEventListener('abort', () => reject(new Interrupted()), {once: true});
			engine.on('message', (message: EngineMessage) => {
				if (options.signal.aborted) return; // Until the threads are gone, they go on talking.
				try {
					switch (message.kind) {
						case 'findings':
							options.onFindings(message.findings);
							break;
						case 'progress':
							options.onProgress(message.progress);
							break;
						case 'summary':
							resolve(message.summary);
					}
				} catch (error) {
					reject(error); // Whoever reads our output has gone, most likely.
				}
			});
		});
	} finally {
		await Promise.all([engine, ...scanners].map(worker => worker.terminate()));
	}
}
