/**
 * The server at the other end of `socket.ts`: requests on descriptor 3, verdicts on what was sent on 4,
 * the image as 5, the kernel's clock in the file 6. Reads, serves and ends as `src/server-main.ts` does.
 */
import {readSync} from 'node:fs';
import {closeVolume} from '../../../ext4/index.ts';
import {RawDevice} from '../../../images/index.ts';
import {errno} from '../../../src/errno.ts';
import {DeviceTransport} from '../../../src/fuse/transport.ts';
import {makeNonBlocking, readOrErrno, waitReadable, writeOrErrno} from '../../../src/syscalls.ts';
import {clockBytes, readClock} from './clock-file.ts';
import {makeServer} from './server.ts';

const requestsDescriptor = 3;
const verdictsDescriptor = 4;
const imageDescriptor = 5;
const clockDescriptor = 6;

/** As write(2) on /dev/fuse, which fails for what the kernel finds wrong with a message. */
function writeForVerdict(descriptor: number, from: Uint8Array, length: number): number {
	const written = writeOrErrno(descriptor, from, length);
	if (written < 0) return written;
	waitReadable(verdictsDescriptor, undefined, undefined);
	const verdict = new Uint8Array(4);
	if (readOrErrno(verdictsDescriptor, verdict) !== 4) return -errno.ENODEV;
	const number = new DataView(verdict.buffer).getInt32(0, true);
	return number === 0 ? length : -number;
}

/** An end of the socket that was closed is a file system that was unmounted. */
function readRequest(descriptor: number, into: Uint8Array): number {
	const length = readOrErrno(descriptor, into);
	return length === 0 ? -errno.ENODEV : length;
}

makeNonBlocking(requestsDescriptor);
const transport = new DeviceTransport(
	requestsDescriptor,
	{read: readRequest, write: writeForVerdict},
	{
		tick: () => undefined,
		wait(timeout) {
			waitReadable(requestsDescriptor, undefined, timeout);
			return true;
		},
	},
);
const clock = {
	get now() {
		const bytes = new Uint8Array(clockBytes);
		readSync(clockDescriptor, bytes, 0, clockBytes, 0);
		return readClock(bytes);
	},
};
const device = new RawDevice(imageDescriptor, {isWritable: true});
const {connection, fileSystem, volume, problems} = makeServer({transport, device, clock});
connection.serve();
fileSystem.reapAll();
closeVolume(volume);
const words = Buffer.from(JSON.stringify(problems));
writeOrErrno(verdictsDescriptor, words, words.length);
