/**
 * The threads that take tasks, as the engine uses them: it does not return to its event loop, so
 * that it sleeps on a number in shared memory and looks into its ports by hand.
 */
import {type MessagePort, receiveMessageOnPort} from 'node:worker_threads';
import type {CheckJobs, CheckTask, CheckTaskResult} from '../../ext4/check/check.ts';
import type {SharedState} from '../../ext4/check/state.ts';
import type {ScanAnswer, ScanRequest} from './messages.ts';

/** Tasks that each thread has, so that it need not wait for the next one. */
const tasksAhead = 2;

export class ScanPool implements CheckJobs {
	readonly #ports: readonly MessagePort[];
	readonly #answers: Int32Array;

	constructor(ports: readonly MessagePort[], answers: SharedArrayBuffer) {
		this.#ports = ports;
		this.#answers = new Int32Array(answers);
	}

	get count(): number {
		return this.#ports.length;
	}

	*run(shared: SharedState, tasks: readonly CheckTask[]): Generator<CheckTaskResult, void> {
		const done = new Map<number, CheckTaskResult>();
		let next = 0;
		const give = (port: MessagePort) => {
			const task = tasks[next];
			if (task === undefined) return;
			const request: ScanRequest = {index: next++, shared, task};
			port.postMessage(request);
		};
		for (let round = 0; round < tasksAhead; round++) for (const port of this.#ports) give(port);
		for (let index = 0; index < tasks.length; index++) {
			for (let result = done.get(index); result === undefined; result = done.get(index)) {
				this.#takeAnswers(done, give);
			}
			yield done.get(index) as CheckTaskResult;
			done.delete(index);
		}
	}

	/** Waits for at least one answer. */
	#takeAnswers(done: Map<number, CheckTaskResult>, give: (port: MessagePort) => void): void {
		for (;;) {
			const seen = Atomics.load(this.#answers, 0);
			let count = 0;
			for (const port of this.#ports) {
				for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
					const answer = got.message as ScanAnswer;
					if ('fault' in answer) throw new Error(answer.fault);
					done.set(answer.index, answer.result);
					give(port);
					count++;
				}
			}
			if (count > 0) return;
			Atomics.wait(this.#answers, 0, seen);
		}
	}
}
