/**
 * The threads that take tasks, as the engine uses them: it does not return to its event loop, so
 * that it looks into its ports by hand. While no answer is there it does a task itself; when there
 * is none left, it sleeps on a number in shared memory.
 */
import {type MessagePort, receiveMessageOnPort} from 'node:worker_threads';
import type {CheckJobs, CheckTask, CheckTaskResult} from '../../ext4/check/check.ts';
import type {SharedState} from '../../ext4/check/state.ts';
import type {ScanAnswer, ScanRequest} from './messages.ts';

/** Tasks that each thread has, so that it need not wait for the engine to be done with one. */
const tasksAhead = 2;

type RunTask = (shared: SharedState, task: CheckTask) => CheckTaskResult;

export class ScanPool implements CheckJobs {
	readonly #ports: readonly MessagePort[];
	readonly #answers: Int32Array;
	readonly #runHere: RunTask;

	constructor(ports: readonly MessagePort[], answers: SharedArrayBuffer, runHere: RunTask) {
		this.#ports = ports;
		this.#answers = new Int32Array(answers);
		this.#runHere = runHere;
	}

	get count(): number {
		return this.#ports.length + 1;
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
		const doOneHere = () => {
			const task = tasks[next];
			if (task === undefined) return false;
			done.set(next++, this.#runHere(shared, task));
			return true;
		};
		for (let round = 0; round < tasksAhead; round++) for (const port of this.#ports) give(port);
		for (let index = 0; index < tasks.length; index++) {
			for (let result = done.get(index); result === undefined; result = done.get(index)) {
				const seen = Atomics.load(this.#answers, 0);
				if (this.#takeAnswers(done, give) || doOneHere()) continue;
				Atomics.wait(this.#answers, 0, seen);
			}
			yield done.get(index) as CheckTaskResult;
			done.delete(index);
		}
	}

	/** Whether there was any. */
	#takeAnswers(done: Map<number, CheckTaskResult>, give: (port: MessagePort) => void): boolean {
		let isAny = false;
		for (const port of this.#ports) {
			for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
				const answer = got.message as ScanAnswer;
				if ('fault' in answer) throw new Error(answer.fault);
				done.set(answer.index, answer.result);
				give(port);
				isAny = true;
			}
		}
		return isAny;
	}
}
