/** Collects what a serving process knows of itself. Needs no /proc: the server may not see one. */
import * as v8 from 'node:v8';
import type {Volume} from '../ext4/index.ts';
import type {CountingDevice} from './counting-device.ts';
import type {DataPathPlan} from './data-path.ts';
import type {Faults} from './faults.ts';
import type {FileSystem} from './filesystem.ts';
import {uuidText} from './format.ts';
import type {Connection} from './fuse/connection.ts';
import type {Grant} from './grant.ts';
import type {ServerConfig} from './mount/server-config.ts';
import type {SandboxState} from './sandbox/levels.ts';
import type {Status, Writing} from './status.ts';

export type StatusSource = {
	readonly config: ServerConfig;
	readonly sandbox: SandboxState;
	readonly grant: Grant;
	readonly volume: Volume;
	readonly device: CountingDevice;
	readonly connection: Connection;
	readonly faults: Faults;
	readonly fileSystem: FileSystem;
	readonly dataPath: DataPathPlan;
};

const microseconds = 1e6;
const kibibyte = 1024;

function writingOf({config, volume, fileSystem}: StatusSource): Writing {
	const {transactions} = volume;
	const none = {commits: 0, checkpoints: 0, blocksCommitted: 0, rollbacks: 0};
	return {
		...(transactions?.counts ?? none),
		isDirty: transactions?.isOpen ?? false,
		commitSeconds: config.commitSeconds,
		failure: transactions?.failure?.message ?? null,
		isShutDown: fileSystem.isShutDown,
		hasLoss: fileSystem.loss !== undefined,
		...fileSystem.counts(),
	};
}

function dataPathOf({dataPath, connection}: StatusSource): Status['dataPath'] {
	if ('reason' in dataPath) return {kind: 'fuse', reason: dataPath.reason};
	const {name} = dataPath.dialect;
	if (connection.agreement?.isExperimental === true) return {kind: 'iomap', reason: name};
	return {
		kind: 'fuse',
		reason: `the kernel does not offer FUSE iomap (${name}), although it was granted`,
	};
}

function loopOf({grant: {loop}}: StatusSource): Status['loop'] {
	return loop.kind === 'attached' ? {device: loop.device, isDirect: loop.isDirect} : null;
}

export function collectStatus(source: StatusSource): Status {
	const {config, volume, device, connection, faults} = source;
	const usage = process.resourceUsage();
	const {agreement} = connection;
	const {superblock, cache} = volume;
	return {
		ext4box: 1,
		image: config.imageName,
		readOnly: volume.transactions?.isWritable !== true,
		allowOther: config.allowOther,
		sandbox: source.sandbox,
		dataPath: dataPathOf(source),
		loop: loopOf(source),
		protocol: {
			minor: agreement?.minor ?? 0,
			kernelMinor: agreement?.kernelMinor ?? 0,
			flags: [...(agreement?.flags ?? [])],
		},
		uptimeSeconds: process.uptime(),
		cpuSeconds: {
			user: usage.userCPUTime / microseconds,
			system: usage.systemCPUTime / microseconds,
		},
		memoryBytes: {
			residentPeak: usage.maxRSS * kibibyte,
			heap: v8.getHeapStatistics().used_heap_size,
		},
		...connection.counters(),
		deviceReads: {...device.reads},
		deviceWrites: {...device.writes},
		deviceFlushes: device.flushes.count,
		writing: config.readOnly ? null : writingOf(source),
		blockCache: {...cache.counts},
		volume: {
			label: Buffer.from(superblock.label).toString('utf8'),
			uuid: uuidText(superblock.uuid),
			blockSize: superblock.geometry.blockSize,
			blockCount: superblock.geometry.blockCount,
			features: superblock.features.names(),
			replayed: volume.recovery?.transactions ?? 0,
		},
		budget: {...cache.budget.counts},
		faultCount: faults.count,
		lastFaults: faults.last,
	};
}
