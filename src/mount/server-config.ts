/**
 * What the server is told, in one JSON argument: `NODE server-main.js JSON`.
 *
 * The rest of the contract is in descriptors (see mount-helper/README.md): 3 is /dev/fuse of a mount
 * that exists already, 4 is the image, 1 takes the byte `R` once the image is open and before the
 * first read of /dev/fuse, 2 takes one line when that fails (then exit status 1).
 */
export type ServerConfig = {
	/** The image as the user named it, for messages alone: the server never opens a path. */
	readonly imageName: string;
	/** The image's descriptor is open for reading only, and the mount is `ro`. */
	readonly readOnly: boolean;
	/** The file system begins at this byte of the image; excludes `partition`. */
	readonly offset?: number;
	/** The number of the partition that holds the file system, counted from 1. */
	readonly partition?: number;
	/** Leave the journal alone: what is on disk is shown, torn as it may be. */
	readonly noRecovery: boolean;
	/**
	 * The mount is `ro`, and the image open for writing all the same: what a crash has left in it is
	 * brought home first, and `remount,rw` makes the mount writable. Excludes `readOnly`.
	 */
	readonly startsReadOnly: boolean;
	/** As ext4's own option of that name; `panic` is `remount-ro` here. For a mount that writes. */
	readonly errors: ErrorPolicy;
	/** Whose the files are shown to be. */
	readonly map: OwnerMap;
	/** Who mounted. Inside `ext4box run` these are the same numbers, mapped onto themselves. */
	readonly mounterUid: number;
	readonly mounterGid: number;
	/** Others than the mounter may enter: then the kernel checks modes, and ACLs if `acl`. */
	readonly allowOther: boolean;
	/** The kernel checks modes although only the mounter may enter. */
	readonly defaultPermissions: boolean;
	readonly acl: boolean;
	/** fuse2fs's option, for a mounter to whom owners and modes are no obstacle: here that is so anyway. */
	readonly fakeroot: boolean;
	/** Bypass the page cache: FOPEN_DIRECT_IO for every file (fuse2fs's option). */
	readonly direct: boolean;
	/** Bound of the server's own caches; absent: the server chooses. */
	readonly cacheBytes?: number;
	/** statfs leaves the file system's own metadata in the total (ext4's option). */
	readonly minixDf: boolean;
	readonly noAtime: boolean;
	/** How old a change may become before it is committed. */
	readonly commitSeconds: number;
	/** Every change is on the medium before it is answered. */
	readonly isSync: boolean;
	/** So for changes of directories. */
	readonly isDirSync: boolean;
	/** Whose new files are, on disk, where `map` says another; absent: their directory's. */
	readonly create?: {readonly uid: number; readonly gid: number};
	/** Whether a kernel that can is to move data itself. */
	readonly iomap: IomapWish;
	/** Trace requests on descriptor 2. */
	readonly debug: boolean;
};

/** Why the kernel is not to move data itself even where it can; undefined: it is. */
export function whyIomapUnwanted(
	config: Pick<ServerConfig, 'iomap' | 'direct' | 'isSync' | 'readOnly'>,
): string | undefined {
	if (config.iomap === 'off') return 'it is switched off (iomap=off)';
	if (config.direct || config.isSync) return 'the page cache is to be bypassed (direct, sync)';
	if (config.iomap === 'static' && !config.readOnly) {
		return 'files may change, and only maps that stay are wanted (iomap=static)';
	}
	return undefined;
}

/** `static`: only where nothing is written; `v7`: only by that version of its protocol. */
export type IomapWish = (typeof iomapWishes)[number];
export const iomapWishes = ['auto', 'off', 'static', 'v7'] as const;

export type ErrorPolicy = 'default' | 'continue' | 'remount-ro' | 'panic';

/** Ids `image` to `image + count - 1` of the image are shown as `host` and following. */
export type IdRange = {readonly image: number; readonly host: number; readonly count: number};

/**
 * - `image`: owners as the image says;
 * - `owner`: every file shown as this user's, this group's; null leaves that half as the image says
 *   (`map=me` arrives here with the mounter's own ids);
 * - `ranges`: as listed, users and groups alike; an id in no range is shown as 65534.
 */
export type OwnerMap =
	| {readonly kind: 'image'}
	| {readonly kind: 'owner'; readonly uid: number | null; readonly gid: number | null}
	| {readonly kind: 'ranges'; readonly ranges: readonly IdRange[]};

/** The greatest id: 2^32 - 1 means "no id" to the kernel. */
export const idMax = 0xffff_fffe;
/** The kernel's own limit for the lines of an id map. */
export const idRangesMax = 340;

const errorPolicies: readonly ErrorPolicy[] = ['default', 'continue', 'remount-ro', 'panic'];

/**
 * Reads the server's one argument. Strict: an unknown, missing or ill-typed field throws, for the
 * two sides come from one build and a difference is a mistake of ours.
 */
export function parseServerConfig(text: string): ServerConfig {
	const fields = new Fields(JSON.parse(text), 'server config');
	const config: ServerConfig = {
		imageName: fields.string('imageName'),
		readOnly: fields.boolean('readOnly'),
		...fields.optionalInteger('offset', 0),
		...fields.optionalInteger('partition', 1),
		noRecovery: fields.boolean('noRecovery'),
		startsReadOnly: fields.boolean('startsReadOnly'),
		errors: parseErrorPolicy(fields.string('errors')),
		map: parseOwnerMap(fields.take('map')),
		mounterUid: fields.integer('mounterUid', idMax),
		mounterGid: fields.integer('mounterGid', idMax),
		allowOther: fields.boolean('allowOther'),
		defaultPermissions: fields.boolean('defaultPermissions'),
		acl: fields.boolean('acl'),
		fakeroot: fields.boolean('fakeroot'),
		direct: fields.boolean('direct'),
		...fields.optionalInteger('cacheBytes', 1),
		minixDf: fields.boolean('minixDf'),
		noAtime: fields.boolean('noAtime'),
		commitSeconds: fields.integer('commitSeconds', 2 ** 31, 1),
		isSync: fields.boolean('isSync'),
		isDirSync: fields.boolean('isDirSync'),
		...optionalCreate(fields),
		iomap: parseIomapWish(fields.string('iomap')),
		debug: fields.boolean('debug'),
	};
	fields.end();
	if (config.offset !== undefined && config.partition !== undefined) {
		throw new TypeError('server config: both offset and partition are given');
	}
	if (config.startsReadOnly && config.readOnly) {
		throw new TypeError('server config: both readOnly and startsReadOnly are set');
	}
	return config;
}

function optionalCreate(fields: Fields): Pick<ServerConfig, 'create'> {
	const value = fields.take('create');
	if (value === undefined) {
		return {};
	}
	const ids = new Fields(value, 'server config, create');
	const create = {uid: ids.integer('uid', idMax), gid: ids.integer('gid', idMax)};
	ids.end();
	return {create};
}

function parseIomapWish(text: string): IomapWish {
	const wish = iomapWishes.find(one => one === text);
	if (wish === undefined) throw new TypeError(`server config: iomap ${JSON.stringify(text)}`);
	return wish;
}

function parseErrorPolicy(text: string): ErrorPolicy {
	const policy = errorPolicies.find(one => one === text);
	if (policy === undefined) {
		throw new TypeError(`server config: errors is ${JSON.stringify(text)}`);
	}
	return policy;
}

function parseOwnerMap(value: unknown): OwnerMap {
	const fields = new Fields(value, 'server config, map');
	const map = ownerMapOf(fields);
	fields.end();
	return map;
}

function ownerMapOf(fields: Fields): OwnerMap {
	const kind = fields.string('kind');
	switch (kind) {
		case 'image':
			return {kind};
		case 'owner':
			return {kind, uid: fields.idOrNull('uid'), gid: fields.idOrNull('gid')};
		case 'ranges':
			return {kind, ranges: parseRanges(fields.take('ranges'))};
		default:
			throw new TypeError(`server config, map: kind is ${JSON.stringify(kind)}`);
	}
}

function parseRanges(value: unknown): IdRange[] {
	if (!Array.isArray(value) || value.length === 0 || value.length > idRangesMax) {
		throw new TypeError(`server config, map: wanted 1 to ${idRangesMax} ranges`);
	}
	return value.map(item => {
		const fields = new Fields(item, 'server config, map, range');
		const range = {
			image: fields.integer('image', idMax),
			host: fields.integer('host', idMax),
			count: fields.integer('count', idMax + 1),
		};
		fields.end();
		return range;
	});
}

/** An object's fields, each taken once and with its type; what is left over at the end is an error. */
class Fields {
	readonly #fields: Map<string, unknown>;
	readonly #what: string;

	constructor(value: unknown, what: string) {
		if (typeof value !== 'object' || value === null || Array.isArray(value)) {
			throw new TypeError(`${what}: not an object`);
		}
		this.#fields = new Map(Object.entries(value));
		this.#what = what;
	}

	take(name: string): unknown {
		const value = this.#fields.get(name);
		this.#fields.delete(name);
		return value;
	}

	string(name: string): string {
		const value = this.take(name);
		if (typeof value !== 'string') {
			throw this.#wrong(name, 'a string', value);
		}
		return value;
	}

	boolean(name: string): boolean {
		const value = this.take(name);
		if (typeof value !== 'boolean') {
			throw this.#wrong(name, 'true or false', value);
		}
		return value;
	}

	integer(name: string, max = Number.MAX_SAFE_INTEGER, min = 0): number {
		const value = this.take(name);
		if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
			throw this.#wrong(name, `an integer from ${min} to ${max}`, value);
		}
		return value;
	}

	/** The field in an object to be spread, or an empty one: an absent field stays absent. */
	optionalInteger<Name extends string>(name: Name, min: number): {readonly [K in Name]?: number} {
		if (!this.#fields.has(name)) {
			return {};
		}
		const field: {[key: string]: number} = {
			[name]: this.integer(name, Number.MAX_SAFE_INTEGER, min),
		};
		return field as {[K in Name]: number};
	}

	idOrNull(name: string): number | null {
		return this.#fields.get(name) === null ? (this.take(name) as null) : this.integer(name, idMax);
	}

	end(): void {
		const [extra] = this.#fields.keys();
		if (extra !== undefined) {
			throw new TypeError(`${this.#what}: unknown field ${JSON.stringify(extra)}`);
		}
	}

	#wrong(name: string, wanted: string, value: unknown): TypeError {
		return new TypeError(`${this.#what}: ${name} is ${JSON.stringify(value)}, wanted ${wanted}`);
	}
}
