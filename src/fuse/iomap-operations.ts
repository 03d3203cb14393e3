/** The rows that a dialect of FUSE iomap adds to the table of opcodes. */
import type {Dialect} from '../../iomap/index.ts';
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
