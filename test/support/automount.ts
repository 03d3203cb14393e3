/**
 * What systemd does for an automount unit, by hand: `node automount.ts DIR SOURCE FIFO`. Puts an autofs
 * mount on DIR, has somebody go there, and answers the kernel's question with the command line that
 * systemd would run. Prints what they saw. For a mount namespace of its own.
 */
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import * as fs from 'node:fs';
import {systemCallNumber, thisMachine} from '../../src/sandbox/system-calls.ts';
import {systemCall} from '../../src/syscalls.ts';

const [directory = '', source = '', fifo = ''] = process.argv.slice(2);

const readyIoctl = 0x9360; // AUTOFS_IOC_READY
const tokenAt = 8; // Behind the packet's protocol version and type.

function run(command: string, args: readonly string[], inherited: readonly number[] = []): void {
	const stdio = ['ignore', 'inherit', 'inherit', ...inherited] as const;
	const {status} = spawnSync(command, args, {stdio: [...stdio]});
	if (status !== 0) throw new Error(`${command} ended with status ${status}`);
}

/** By its process group autofs knows who may pass: this program, and what it starts. */
function processGroup(): number {
	const text = fs.readFileSync('/proc/self/stat', 'latin1');
	return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[2]);
}

const pipe = fs.openSync(fifo, 'r+');
const options = `fd=3,pgrp=${processGroup()},minproto=5,maxproto=5,direct`;
run('mount', ['-i', '-t', 'autofs', '-o', options, 'systemd-1', directory], [pipe]);
const root = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);

const visitor = spawn('setsid', ['timeout', '60', 'ls', directory], {
	stdio: ['ignore', 'inherit', 2],
});
const ended = once(visitor, 'exit');
const packet = Buffer.alloc(4096);
fs.readSync(pipe, packet);
run('mount', [source, directory, '-t', 'fuse.ext4box', '-o', 'noauto,x-systemd.automount']);
const ioctl = systemCallNumber('ioctl', thisMachine()) ?? 0; // Every machine has it.
const result = systemCall(ioctl, root, readyIoctl, packet.readUInt32LE(tokenAt));
if (result !== 0) throw new Error(`AUTOFS_IOC_READY: errno ${-result}`);
await ended;
fs.closeSync(root);
run('umount', [directory, '-c']);
