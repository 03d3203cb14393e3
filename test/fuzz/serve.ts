/** Asks the server, as the kernel would, for what a damaged image holds. */
import {isExpectedError, type Volume} from '../../ext4/index.ts';
import {nodeOfInode} from '../../src/attributes.ts';
import {errnoOf} from '../../src/errno.ts';
import {FileSystem, initFlags} from '../../src/filesystem.ts';
import {Connection} from '../../src/fuse/connection.ts';
import {ioctls} from '../../src/ioctl.ts';
import {type Ask, FakeKernel, type OperationName, readEntries} from '../support/fake-kernel.ts';
import {defaultConfig} from '../support/server-config.ts';

/** The kernel asks for pages of a directory and for what fits in one transfer. */
const transferBytes = 1 << 16;
const pagesMax = 40;

/** Throws where an answer is not well-formed, or an error is not one of the image. */
export function serveVolume(volume: Volume, inodes: readonly number[]): void {
	const kernel = new FakeKernel();
	let bug: unknown;
	kernel.connection = new Connection(
		kernel,
		new FileSystem(volume, {config: defaultConfig, status: () => new Uint8Array(0)}).handlers,
		{
			flags: initFlags(defaultConfig),
			minor: 46,
			maxTransferBytes: transferBytes,
			pageBytes: 4096,
			maxBackground: 16,
		},
		{
			failed: error => {
				if (!isExpectedError(error)) bug = error;
				return errnoOf(error);
			},
			malformed: problem => {
				throw new Error(problem);
			},
		},
	);
	kernel.initialise();
	const ask = (name: OperationName, question: Ask) => {
		const answer = kernel.ask(name, question);
		if (bug !== undefined) throw bug;
		return answer;
	};
	ask('STATFS', {});
	for (const inode of inodes) askNode(ask, nodeOfInode(inode));
}

type AskKernel = (name: OperationName, question: Ask) => ReturnType<FakeKernel['ask']>;

function askNode(ask: AskKernel, nodeId: number): void {
	ask('GETATTR', {nodeId});
	ask('STATX', {nodeId, fields: {sx_mask: 0xfff}});
	ask('READLINK', {nodeId});
	ask('READ', {nodeId, fields: {offset: 0, size: transferBytes}});
	ask('LSEEK', {nodeId, fields: {offset: 0, whence: 3}});
	ask('LISTXATTR', {nodeId, fields: {size: 0}});
	ask('LISTXATTR', {nodeId, fields: {size: transferBytes}});
	for (const name of ['user.tiny', 'system.posix_acl_access', 'security.other']) {
		ask('GETXATTR', {nodeId, fields: {size: transferBytes}, names: [name]});
	}
	for (const cmd of Object.values(ioctls)) {
		ask('IOCTL', {nodeId, fields: {cmd, out_size: 256}});
	}
	ask('LOOKUP', {nodeId, names: ['.']});
	ask('LOOKUP', {nodeId, names: ['..']});
	ask('LOOKUP', {nodeId, names: ['small']});
	let offset = 0;
	for (let page = 0; page < pagesMax; page++) {
		const answer = ask('READDIRPLUS', {nodeId, fields: {offset, size: 4096}});
		if (answer.error !== 0) break;
		const last = readEntries(answer.payload, true).at(-1);
		if (last === undefined) break;
		if (last.off <= offset) throw new RangeError(`a cursor of ${last.off} after ${offset}`);
		offset = last.off;
	}
}
