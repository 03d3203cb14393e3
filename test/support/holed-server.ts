/**
 * A server with a hole, for tests alone: it runs whatever system calls its image asks for, inside
 * the very sandbox that the real one closes around itself. What an attacker could do who has made
 * the parser do anything, this one does on request.
 *
 * The image begins with a line of JSON, the requests; at `answersAt` it gets a line with what each
 * has returned, an errno as a negative number.
 */
import {readSync, writeSync} from 'node:fs';
import {closeSandbox} from '../../src/sandbox/close.ts';
import {systemCallNumber, thisMachine} from '../../src/sandbox/system-calls.ts';
import {systemCall} from '../../src/syscalls.ts';
import {answersAt, type HoleRequest} from './holes.ts';

const readyDescriptor = 1;
const imageDescriptor = 4;

function bytesOf(value: HoleRequest['values'][number]): number | Uint8Array {
	if (typeof value === 'number') return value;
	return value.kind === 'path'
		? Buffer.from(`${value.path}\0`)
		: Uint8Array.from(Buffer.from(value.hex, 'hex'));
}

function run({call, values}: HoleRequest): number {
	const number = systemCallNumber(call, thisMachine());
	if (number === undefined) return Number.NaN;
	const result = systemCall(number, ...values.map(bytesOf));
	// The child that was not to be.
	if (call === 'clone' && result === 0) {
		systemCall(systemCallNumber('exit_group', thisMachine()) ?? 0, 0);
	}
	return result;
}

// With an argument it leaves its own part out: then what the helper has done must hold alone.
if (process.argv[2] !== 'careless') closeSandbox();
const image = Buffer.alloc(answersAt);
readSync(imageDescriptor, image, 0, image.length, 0);
const requests = JSON.parse(image.toString('utf8').split('\n')[0] ?? '') as HoleRequest[];
const answers: number[] = [];
for (const request of requests) {
	answers.push(run(request));
	// After each: one of them may be the last thing that this program does.
	writeSync(imageDescriptor, `${JSON.stringify(answers)}\n`, answersAt);
}
writeSync(readyDescriptor, 'R');
