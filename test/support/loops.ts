/** Loop devices, as the kernel shows them in /sys/block. */
import {existsSync, readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';

const blockFolder = '/sys/block';

export type Loop = {
	/** /dev/loopN. */
	readonly device: string;
	/** As it is now, or `... (deleted)`. */
	readonly backingFile: string;
	readonly isAutoclear: boolean;
	readonly isReadOnly: boolean;
	readonly isPartitioned: boolean;
	readonly isDirect: boolean;
	readonly sectorBytes: number;
	readonly sizeBytes: number;
};

/** Why no loop device can be attached here, or null. */
export function whyNoLoop(): string | null {
	if (process.getuid?.() !== 0) return 'not root';
	return existsSync('/dev/loop-control') ? null : 'no /dev/loop-control';
}

/** Those that are attached to a file below `folder`. */
export function loopsBelow(folder: string): Loop[] {
	return readdirSync(blockFolder)
		.filter(name => /^loop\d+$/.test(name))
		.flatMap(name => {
			const read = (path: string) => readOrEmpty(join(blockFolder, name, path));
			const backingFile = read('loop/backing_file');
			if (!backingFile.startsWith(`${folder}/`)) return [];
			return [
				{
					device: `/dev/${name}`,
					backingFile,
					isAutoclear: read('loop/autoclear') === '1',
					isReadOnly: read('ro') === '1',
					isPartitioned: read('loop/partscan') === '1',
					isDirect: read('loop/dio') === '1',
					sectorBytes: Number(read('queue/logical_block_size')),
					sizeBytes: Number(read('size')) * 512,
				},
			];
		});
}

/** Who keeps those that are attached to files below `folder`: `DEVICE PID COMMAND`. */
export function describeHolders(folder: string): string {
	const devices = loopsBelow(folder).map(loop => loop.device);
	const holders = readdirSync('/proc')
		.filter(name => /^\d+$/.test(name))
		.flatMap(pid =>
			descriptorsOf(pid)
				.filter(target => devices.includes(target))
				.map(target => `${target} ${pid} ${readOrEmpty(`/proc/${pid}/comm`)}`),
		);
	return `attached: ${devices}; held: ${holders}`;
}

function descriptorsOf(pid: string): string[] {
	try {
		return readdirSync(`/proc/${pid}/fd`).map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`));
	} catch (error) {
		if (error instanceof Error && 'code' in error) return []; // It has ended meanwhile.
		throw error;
	}
}

/** Of a device that is not attached, or goes away meanwhile, there is nothing to read. */
function readOrEmpty(path: string): string {
	try {
		return readFileSync(path, 'utf8').trimEnd();
	} catch (error) {
		if (error instanceof Error && 'code' in error) return '';
		throw error;
	}
}
