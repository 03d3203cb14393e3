/** A file system that is served to the kernel in memory over sockets, by another process. */
import {closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {RawDevice} from '../../../images/index.ts';
import {FileClock} from './clock-file.ts';
import {IomapKernel} from './kernel.ts';
import {findProblems, type ServedMount} from './mounted.ts';
import {deviceNumber} from './server.ts';
import {SocketWire} from './socket.ts';

/** What is left of the image at the end is put into `image`. */
export function mountOverSocket(image: Uint8Array): ServedMount {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-iomap-'));
	const path = join(folder, 'image');
	writeFileSync(path, image);
	const file = openSync(path, 'r+');
	const clockFile = openSync(join(folder, 'clock'), 'w+');
	const clock = new FileClock(clockFile);
	const device = new RawDevice(file, {isWritable: true, closesDescriptor: false});
	const wire = new SocketWire(file, clockFile);
	const kernel = new IomapKernel({wire, device, deviceNumber, clock});
	const problems: string[] = [];
	return {
		kernel,
		problems,
		end() {
			if (kernel.counts['DESTROY'] === undefined) kernel.unmount();
			problems.push(...wire.end());
			closeSync(file);
			closeSync(clockFile);
			image.set(readFileSync(path));
			rmSync(folder, {recursive: true});
			return findProblems(image);
		},
	};
}
