/** What the figures were taken on. */
import * as os from 'node:os';

export type Machine = {
	readonly kernel: string;
	readonly cpuModel: string;
	readonly cpuCount: number;
	readonly memoryBytes: number;
	readonly node: string;
	/** Of the last minute, before the bench began: other work on the machine blurs the figures. */
	readonly loadBefore: number;
};

export function describeMachine(): Machine {
	const cpus = os.cpus();
	return {
		kernel: `${os.type()} ${os.release()}`,
		cpuModel: cpus[0]?.model ?? 'unknown',
		cpuCount: cpus.length,
		memoryBytes: os.totalmem(),
		node: process.version,
		loadBefore: os.loadavg()[0] ?? 0,
	};
}
