/** What a dialect of FUSE iomap adds: to INIT, and the rows of its requests to the table of opcodes. */
import type {Dialect} from '../../iomap/index.ts';
import type {Experiment} from './init.ts';
import type {Operation} from './operations.ts';

const rows = {
	config: {name: 'IOMAP_CONFIG', handler: 'iomapConfig'},
	begin: {name: 'IOMAP_BEGIN', handler: 'iomapBegin'},
	end: {name: 'IOMAP_END', handler: 'iomapEnd'},
	ioend: {name: 'IOMAP_IOEND', handler: 'iomapIoend'},
	freeze: {name: 'FREEZE_FS', handler: 'freeze'},
	unfreeze: {name: 'UNFREEZE_FS', handler: 'unfreeze'},
	shutdown: {name: 'SHUTDOWN_FS', handler: 'shutdown'},
} as const;

export type IomapHandlerName = (typeof rows)[keyof typeof rows]['handler'];

export function iomapOperations(dialect: Dialect): Operation[] {
	return Object.entries(rows).map(([key, row]) => ({
		...dialect.operations[key as keyof typeof rows], // A key of the object.
		...row,
	}));
}

/** What INIT is to agree on for `dialect`. */
export function iomapExperiment({initBit, minor}: Dialect): Experiment {
	// A kernel that keeps data itself needs no other write-back cache. With that on too it would put
	// files that are opened for writing on a list that it has not made for iomap files, and crash.
	return {bit: initBit, minor, excludes: ['WRITEBACK_CACHE']};
}
