/** `ext4box cat`: the contents of files. */
import {FileError, type Inode, isExpectedError, type Volume} from '../../ext4/index.ts';
import {Mapper, readRange} from '../../iomap/index.ts';
import {argumentBytes} from '../argument-bytes.ts';
import {parseCommand} from '../command-line.ts';
import {describeFailure} from '../failure.ts';
import {typeNames} from '../format.ts';
import {imageOptions, imageOptionsHelp, withVolume} from '../image-arguments.ts';
import {log} from '../log.ts';
import {flushOutput, printBytes} from '../output.ts';
import {findPath} from '../paths.ts';

export const usage = `Usage: ext4box cat [OPTIONS] IMAGE PATH…

Prints the contents of files in an ext2, ext3 or ext4 image. Symbolic links are followed inside
the image. PATH may also be <N>, the inode of that number.

Options:
${imageOptionsHelp}
Examples:
  ext4box cat disk.img /etc/os-release
  ext4box cat disk.img /var/log/messages | grep -i error
`;

const chunkBytes = 2 ** 20;

export async function run(args: string[]): Promise<number> {
	const {values, positionals} = parseCommand('cat', args, imageOptions, ['IMAGE', 'PATH…']);
	const [imagePath = '', ...paths] = positionals;
	return await withVolume(imagePath, values, ({volume}) => {
		const chunk = new Uint8Array(new ArrayBuffer(chunkBytes, {maxByteLength: chunkBytes}));
		let status = 0;
		for (const path of paths) {
			try {
				printFile(volume, argumentBytes(path), chunk);
			} catch (error) {
				if (!isExpectedError(error)) throw error;
				flushOutput();
				log.error(`${imagePath}: ${path}: ${describeFailure(error)}`);
				status = 1;
			}
		}
		return status;
	});
}

function printFile(volume: Volume, path: Uint8Array, chunk: Uint8Array): void {
	const {inode} = findPath(volume, path, true);
	assertHasContents(inode);
	const mapper = new Mapper(volume);
	for (let position = 0; position < inode.sizeBytes; ) {
		const count = readRange(mapper, inode, position, chunk);
		printBytes(chunk.subarray(0, count));
		position += count;
	}
}

function assertHasContents(inode: Inode): void {
	if (inode.type === 'file') return;
	const code = inode.type === 'directory' ? 'EISDIR' : 'EINVAL';
	throw new FileError(code, `this is a ${typeNames[inode.type]}`);
}
