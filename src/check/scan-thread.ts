/** A thread that looks at the inodes of some groups at a time, as the engine's thread tells it. */
import {type MessagePort, workerData} from 'node:worker_threads';
import {runCheckTask} from '../../ext4/check/check.ts';
import type {ScanAnswer, ScanRequest, ScanSetUp} from './messages.ts';
import {openWindow} from './window.ts';

const {window, answers, port} = workerData as ScanSetUp & {readonly port: MessagePort};
const device = openWindow(window);
const counter = new Int32Array(answers);

function answer({index, shared, task}: ScanRequest): ScanAnswer {
	try {
		return {index, result: runCheckTask(device, shared, task)};
	} catch (error) {
		// It never throws for what is in an image: this is ours, and told where it can be reported.
		return {index, fault: error instanceof Error ? (error.stack ?? error.message) : String(error)};
	}
}

port.on('message', (request: ScanRequest) => {
	port.postMessage(answer(request));
	Atomics.add(counter, 0, 1);
	Atomics.notify(counter, 0);
});
