/** The thread that runs the passes, so that the main thread can print, and be interrupted. */
import {type MessagePort, parentPort, workerData} from 'node:worker_threads';
import {type CheckOptions, type CheckTask, check, runCheckTask} from '../../ext4/check/check.ts';
import type {Finding} from '../../ext4/check/finding.ts';
import type {SharedState} from '../../ext4/check/state.ts';
import {type BlockDevice, isExpectedError} from '../../ext4/index.ts';
import {readSuperblock} from '../../ext4/superblock.ts';
import type {EngineMessage, EngineSetUp} from './messages.ts';
import {ScanPool} from './scan-pool.ts';
import {openWindow} from './window.ts';

const batchMax = 256;
const intervalMs = 50;

const {window, maxFindings, answers, ports} = workerData as EngineSetUp & {
	readonly ports: readonly MessagePort[];
};

let batch: Finding[] = [];
let lastPost = performance.now();

function post(message: EngineMessage): void {
	parentPort?.postMessage(message);
}

function postFindings(): void {
	lastPost = performance.now();
	if (batch.length > 0) post({kind: 'findings', findings: batch});
	batch = [];
}

/**
 * Threads that scan see the image as it lies. Where a journal is replayed in memory, or nobody can
 * tell, the engine looks at the inodes itself.
 */
function isAsItLies(device: BlockDevice): boolean {
	try {
		return !readSuperblock(device).features.has('needs_recovery');
	} catch (error) {
		if (isExpectedError(error)) return false;
		throw error;
	}
}

const device = openWindow(window);
const runHere = (shared: SharedState, task: CheckTask) => runCheckTask(device, shared, task);
const options: CheckOptions = {
	maxFindings,
	progress: progress => {
		if (performance.now() - lastPost < intervalMs) return;
		postFindings();
		post({kind: 'progress', progress});
	},
	...(ports.length > 0 && isAsItLies(device) ? {jobs: new ScanPool(ports, answers, runHere)} : {}),
};

const findings = check(device, options);
for (let step = findings.next(); ; step = findings.next()) {
	if (step.done === true) {
		postFindings();
		post({kind: 'summary', summary: step.value});
		break;
	}
	batch.push(step.value);
	if (batch.length >= batchMax || performance.now() - lastPost > intervalMs) postFindings();
}
