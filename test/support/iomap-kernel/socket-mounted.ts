/** A file system that is served to the kernel in memory over sockets, by another process. */
import {closeSync} from 'node:fs';
import {RawDevice} from '../../../images/index.ts';
import {openUnnamed} from '../unnamed-file.ts';
import {FileClock} from './clock-file.ts';
import {IomapKernel} from './kernel.ts';
import {findProblems, type ServedMount} from './mounted.ts';
import {deviceNumber} from './server.ts';
import {SocketWire} from './socket.ts';

/** What is left of the image at the end is put into `image`. */
export function mountOverSocket(image: Uint8Array): ServedMount {
	using resources = new DisposableStack();
	const file = resources.adopt(openUnnamed(image), closeSync);
	const clockFile = resources.adopt(openUnnamed(new Uint8Array(0)), closeSync);
	const clock = new FileClock(clockFile);
	const device = new RawDevice(file, {isWritable: true, closesDescriptor: false});
	const wire = resources.use(new SocketWire(file, clockFile));
	const kernel = new IomapKernel({wire, device, deviceNumber, clock});
	const problems: string[] = [];
	const held = resources.move();
	return {
		kernel,
		problems,
		end() {
			if (kernel.counts['DESTROY'] === undefined) kernel.unmount();
			problems.push(...wire.end());
			device.read(0, image);
			return findProblems(image);
		},
		[Symbol.dispose]: () => held.dispose(),
	};
}
