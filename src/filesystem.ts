/**
 * FUSE operations in terms of a volume. Node ids are inode numbers (the root is node 1 and inode
 * 2), and nothing is ever opened: so what a request needs, it brings. All that is kept here between
 * requests is how often the kernel was told of each inode (`filesystem/nodes.ts`), and that only
 * where inodes can come to their end.
 */
import {CorruptError, type Volume} from '../ext4/index.ts';
import {inodeOfNode} from './attributes.ts';
import {attributeHandlers} from './filesystem/attributes.ts';
import {controlHandlers} from './filesystem/control.ts';
import {dataHandlers} from './filesystem/data.ts';
import {limitedHandlers} from './filesystem/limited.ts';
import {nameHandlers} from './filesystem/names.ts';
import {readingHandlers} from './filesystem/reading.ts';
import {type FileSystemOptions, Served} from './filesystem/served.ts';
import {xattrReadingHandlers, xattrWritingHandlers} from './filesystem/xattrs.ts';
import type {Handlers} from './fuse/connection.ts';
import type {InitFlag} from './fuse/layout.ts';
import type {ServerConfig} from './mount/server-config.ts';

export type {FileSystemOptions} from './filesystem/served.ts';

/** READs and WRITEs of up to 1 MiB: the kernel's own limit. */
export const transferBytesMax = 1 << 20;

/**
 * What is asked of the kernel at INIT, if it offers it. Missing on purpose: ATOMIC_O_TRUNC, which
 * loses truncations once OPEN is refused; AUTO_INVAL_DATA, as nobody else changes the image;
 * ALLOW_IDMAP, as owners are mapped here.
 */
const flags: readonly InitFlag[] = [
	'INIT_EXT',
	'ASYNC_READ',
	'ASYNC_DIO',
	'BIG_WRITES',
	'MAX_PAGES',
	'DO_READDIRPLUS',
	'READDIRPLUS_AUTO',
	'PARALLEL_DIROPS',
	'CACHE_SYMLINKS',
	'NO_OPEN_SUPPORT',
	'NO_OPENDIR_SUPPORT',
	'EXPORT_SUPPORT',
	'EXPLICIT_INVAL_DATA',
	'HANDLE_KILLPRIV_V2',
	'HAS_IOCTL_DIR',
	'ABORT_ERROR',
];

/** DONT_MASK: the umask counts only where a directory has no default ACL, so it is applied here. */
const writingFlags: readonly InitFlag[] = ['DONT_MASK', 'SETXATTR_EXT'];

export function initFlags(config: ServerConfig): readonly InitFlag[] {
	const isChecked = config.allowOther || config.defaultPermissions;
	// The kernel keeps what is written, and the times of files: not where that is to be at once.
	const isCached = !config.isSync && !config.direct;
	const writing = [...writingFlags, ...(isCached ? (['WRITEBACK_CACHE'] as const) : [])];
	return [
		...flags,
		// It makes the kernel check permissions, from which a lone mounter is exempt.
		...(isChecked && config.acl ? (['POSIX_ACL'] as const) : []),
		...(config.readOnly ? [] : writing),
	];
}

export class FileSystem {
	readonly handlers: Handlers;
	readonly #served: Served;

	constructor(volume: Volume, options: FileSystemOptions) {
		const served = new Served(volume, options);
		this.#served = served;
		const reading: Handlers = {
			...readingHandlers(served),
			...xattrReadingHandlers(served),
			...controlHandlers(served),
			...(served.iomap?.handlers ?? {}),
			// No node is kept: what is left are the mappings that the kernel had of it.
			forget: nodeId => served.iomap?.forgotten(inodeOfNode(nodeId)),
			negotiated: agreement => served.agree(agreement),
			// There is nothing that could not have been written yet.
			fsync: () => 0,
			fsyncdir: () => 0,
		};
		const writing: Handlers = {
			...nameHandlers(served),
			...attributeHandlers(served),
			...dataHandlers(served),
			...xattrWritingHandlers(served),
			forget: (nodeId, count) => served.forget(inodeOfNode(nodeId), count),
		};
		// What has no handler is refused: EROFS for what writes.
		const handlers = options.config.readOnly ? reading : {...reading, ...writing};
		if (options.config.startsReadOnly) served.iomap?.withdraw();
		this.handlers = limitedHandlers(volume, served.shutDown.guard(handlers));
	}

	/** For `status`. */
	counts(): {knownInodes: number; linklessInodes: number} {
		const {nodes} = this.#served;
		return {knownInodes: nodes.knownCount, linklessInodes: nodes.linklessCount};
	}

	/** Whether an ioctl has ended all writing, after a commit. */
	get isShutDown(): boolean {
		return this.#served.shutDown.isDown;
	}

	/**
	 * Why something that was called written is not in the image; undefined: nothing is lost. A volume that
	 * only became read-only has committed what was done before: there the page cache alone can hold more.
	 */
	get loss(): Error | undefined {
		const {volume, hasRefusedData} = this.#served;
		const {transactions} = volume;
		// What an ioctl has shut down was wanted so.
		if (this.isShutDown || transactions === undefined) return undefined;
		return transactions.isAborted || hasRefusedData ? transactions.failure : undefined;
	}

	/**
	 * A request, or what falls due by itself, has failed. Damage is noted in the image; where nothing is
	 * written any more from now on, a kernel that moves data itself is told to ask before it writes.
	 */
	failed(error: unknown): void {
		const {volume, iomap} = this.#served;
		// Met while only reading; a transaction that meets it notes it itself.
		if (error instanceof CorruptError) volume.transactions?.noteCorruption(error);
		if (volume.transactions?.isWritable === false) iomap?.withdraw();
	}

	/** The kernel has gone: frees what has no name any more. Throws what `reapInode` throws. */
	reapAll(): void {
		this.#served.nodes.reapAll();
	}
}
