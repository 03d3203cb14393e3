/**
 * The server process: `NODE server-main.js JSON`, started by the mount helper with /dev/fuse as
 * descriptor 3 and the image as descriptor 4. Says `R` on descriptor 1 once the image is open, or
 * one line on descriptor 2 (then status 1); serves until the file system is unmounted; ends with
 * status 0. It opens no path on the way.
 */
import {closeSync, writeSync} from 'node:fs';
import {Volume} from '../ext4/index.ts';
import {nodeHashes} from '../images/hashes.ts';
import {openImageOn, printable, RawDevice} from '../images/index.ts';
import {CountingDevice} from './counting-device.ts';
import {errnoOf} from './errno.ts';
import {describeFailure} from './failure.ts';
import {Faults} from './faults.ts';
import {FileSystem, initFlags, transferBytesMax} from './filesystem.ts';
import {Connection} from './fuse/connection.ts';
import {newestMinor} from './fuse/layout.ts';
import {DeviceTransport} from './fuse/transport.ts';
import {writeError} from './log.ts';
import {parseServerConfig, type ServerConfig} from './mount/server-config.ts';
import {encodeStatus} from './status.ts';
import {collectStatus} from './status-source.ts';

const readyDescriptor = 1;
const fuseDescriptor = 3;
const imageDescriptor = 4;

/** READs ahead that the kernel may have under way: with one thread, more only wait here. */
const maxBackground = 64;

function openVolume(config: ServerConfig): {volume: Volume; device: CountingDevice} {
	const raw = new RawDevice(imageDescriptor);
	const image = openImageOn(raw, {offsetBytes: config.offset, partition: config.partition});
	const device = new CountingDevice(image.device);
	const volume = Volume.open(device, {
		...(config.cacheBytes === undefined ? {} : {cacheBytes: config.cacheBytes}),
		journal: config.noRecovery ? 'ignore' : 'replay',
		hashes: nodeHashes,
	});
	return {volume, device};
}

function serve(config: ServerConfig, volume: Volume, device: CountingDevice): void {
	const say = (text: string) => {
		const lines = text.split('\n').map(printable);
		writeError(`ext4box: ${printable(config.imageName)}: ${lines.join('\n')}\n`);
	};
	const faults = new Faults(say, Date.now);
	const fileSystem = new FileSystem(volume, {
		config,
		status: () => encodeStatus(collectStatus({config, volume, device, connection, faults})),
	});
	const connection = new Connection(
		new DeviceTransport(fuseDescriptor),
		fileSystem,
		{
			flags: initFlags(config),
			minor: newestMinor,
			maxTransferBytes: transferBytesMax,
			maxBackground,
		},
		{
			failed(error, operation, nodeId) {
				faults.record(error, operation, nodeId);
				return errnoOf(error);
			},
			malformed: problem => faults.recordMalformed(problem),
			trace: config.debug ? line => writeError(`${printable(line)}\n`) : undefined,
		},
	);
	connection.serve();
	device.close();
}

/** What went wrong; with its stack, where that is a fault of this program. */
function oneLine(error: unknown): string {
	const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
	return printable((describeFailure(error) ?? fault).replaceAll(/\n\s*/g, ' '));
}

function main(): void {
	let config: ServerConfig | undefined;
	let opened: ReturnType<typeof openVolume>;
	try {
		config = parseServerConfig(process.argv[2] ?? '');
		opened = openVolume(config);
	} catch (error) {
		const image = config === undefined ? '' : `${printable(config.imageName)}: `;
		writeError(`ext4box: ${image}${oneLine(error)}\n`);
		process.exitCode = 1;
		return;
	}
	writeSync(readyDescriptor, 'R');
	closeSync(readyDescriptor);
	serve(config, opened.volume, opened.device);
}

main();
