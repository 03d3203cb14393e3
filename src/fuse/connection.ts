/**
 * The server's side of one FUSE connection: takes a request, checks its shape, has it answered,
 * sends the reply, and so on until the file system is unmounted. Knows the protocol and no file
 * system.
 *
 *   waiting ──INIT──► serving ──the transport ends──► ended
 *      └── INIT of a kernel that is too old ──► ended (`serve` throws)
 *
 *   waiting: nothing but INIT is answered. serving: everything but INIT is.
 */
import {errno, errnoName} from '../errno.ts';
import {
	type Agreement,
	agree,
	type InitOffer,
	type InitWishes,
	readOffer,
	versionProblem,
	writeAgreement,
} from './init.ts';
import type {IomapHandlerName} from './iomap-operations.ts';
import {
	batchForgetIn,
	forgetIn,
	forgetOne,
	inHeader,
	initIn,
	initOut,
	kernelMajor,
	notifyCodes,
	notifyInvalInodeOut,
	outHeader,
	writeU64,
} from './layout.ts';
import {payloadAt, Reply, Request} from './message.ts';
import {type Operation, operations} from './operations.ts';
import {traceReply, traceRequest} from './trace.ts';
import type {Transport} from './transport.ts';

type OperationOf<Row> = Row extends {readonly handler: infer Name} ? Name : never;
export type HandlerName = OperationOf<(typeof operations)[number]> | IomapHandlerName;

/**
 * Answers a request: writes the payload into `reply` and returns its length in bytes, or returns
 * an errno as a negative number. What it throws becomes an errno too, by way of `Observer.failed`.
 */
export type Handler = (request: Request, reply: Reply) => number;

/** What a file system brings. An operation without handler is ENOSYS, or EROFS where it writes. */
export type Handlers = {readonly [Name in HandlerName]?: Handler} & {
	/** Called once, before the first request and before the kernel hears of the agreement. */
	readonly negotiated?: (agreement: Agreement, offer: InitOffer) => void;
	/** The kernel has forgotten `count` of the lookups of `nodeId`. */
	readonly forget?: (nodeId: number, count: number) => void;
	/** The kernel is done, and waits until all is on the medium: of mounts on block devices alone. */
	readonly destroy?: () => void;
};

/** Told of what goes wrong, and of everything if `trace` is there. */
export type Observer = {
	/** A handler has thrown `error`. Returns the errno to answer with. */
	failed(error: unknown, operation: string, nodeId: number): number;
	/**
	 * Whether a request that would be answered with `error` may have another answer once the FORGETs
	 * are heard that the kernel has ready: of requests and those it hands out either first.
	 */
	mayChange?(error: number): boolean;
	/** A message breaks the protocol, on either side. */
	malformed(problem: string): void;
	readonly trace?: ((line: string) => void) | undefined;
};

export type Counters = {
	/** Requests by name; those that never came are not listed. */
	readonly requests: {readonly [operation: string]: number};
	/** Errors in replies by name. ENOSYS and ENOENT are everyday ones. */
	readonly errors: {readonly [errno: string]: number};
	readonly receivedBytes: number;
	readonly sentBytes: number;
};

/** A reader of /dev/fuse must have room for the largest WRITE with its headers. */
const requestOverheadBytes = 4096;
const opcodesMax = 4096;
/** Requests that are put aside, each of at most a transfer's size, while FORGETs are listened for. */
const asideMax = 16;

type Row = {
	operation: Operation;
	readonly handler: Handler | undefined;
	count: number;
};

export class Connection {
	readonly #transport: Transport;
	readonly #handlers: Handlers;
	readonly #wishes: InitWishes;
	readonly #observer: Observer;
	readonly #request: Request;
	readonly #reply: Reply;
	readonly #rows: readonly Row[];
	readonly #rowByOpcode: (Row | undefined)[] = new Array(opcodesMax).fill(undefined);
	readonly #aside: Uint8Array[] = [];
	readonly #errorCounts = new Map<number, number>();
	#unknownCount = 0;
	#receivedBytes = 0;
	#sentBytes = 0;
	#agreement: Agreement | undefined;
	#fatal: Error | undefined;

	constructor(
		transport: Transport,
		handlers: Handlers,
		wishes: InitWishes,
		observer: Observer,
		table: readonly Operation[] = operations,
	) {
		this.#transport = transport;
		this.#handlers = handlers;
		this.#wishes = wishes;
		this.#observer = observer;
		this.#request = new Request(wishes.maxTransferBytes + requestOverheadBytes);
		this.#reply = new Reply(wishes.maxTransferBytes);
		this.#rows = table.map(operation => ({
			operation,
			handler: handlerOf(handlers, operation),
			count: 0,
		}));
		for (const row of this.#rows) this.#rowByOpcode[row.operation.opcode] = row;
	}

	/** Undefined until INIT has come. */
	get agreement(): Agreement | undefined {
		return this.#agreement;
	}

	/** Serves until the file system is unmounted. Throws where no conversation is possible. */
	serve(): void {
		while (this.serveOne());
	}

	/** Waits for one request and answers it; false when none will follow. */
	serveOne(): boolean {
		const earlier = this.#aside.shift();
		const received =
			earlier === undefined ? this.#transport.receive(this.#request.bytes) : this.#load(earlier);
		if (received === 0) return false;
		if (earlier === undefined) this.#receivedBytes += received;
		this.#take(received);
		if (this.#fatal !== undefined) throw this.#fatal;
		return true;
	}

	/** Makes `message` the request that is answered now. Returns its length in bytes. */
	#load(message: Uint8Array): number {
		this.#request.bytes.set(message);
		return message.length;
	}

	/**
	 * Tells the kernel that what it knows of a node's attributes does not hold any more. May be
	 * called by a handler: its request waits for no lock that this takes.
	 */
	invalidateAttributes(nodeId: number): void {
		const payload = new Uint8Array(notifyInvalInodeOut.sizeBytes);
		const view = new DataView(payload.buffer);
		writeU64(view, notifyInvalInodeOut.at.ino, nodeId);
		// A negative offset: the attributes alone, no pages.
		writeU64(view, notifyInvalInodeOut.at.off, -1);
		// Refused where the kernel does not know the node (any more): all the better.
		this.notify(notifyCodes.invalidateInode, payload);
	}

	/**
	 * Sends a message that answers no request. `gone` where the kernel does not know what it is about,
	 * `refused` where it finds it wrong.
	 */
	notify(code: number, payload: Uint8Array): 'sent' | 'gone' | 'refused' {
		const length = outHeader.sizeBytes + payload.length;
		const message = new Uint8Array(length);
		const view = new DataView(message.buffer);
		view.setUint32(outHeader.at.len, length, true);
		view.setInt32(outHeader.at.error, code, true);
		message.set(payload, outHeader.sizeBytes);
		return this.#transport.send(message, length);
	}

	counters(): Counters {
		const requests: {[operation: string]: number} = {};
		for (const {operation, count} of this.#rows) if (count > 0) requests[operation.name] = count;
		if (this.#unknownCount > 0) requests['unknown'] = this.#unknownCount;
		const errors: {[name: string]: number} = {};
		for (const [value, count] of this.#errorCounts) errors[errnoName(value)] = count;
		return {
			requests,
			errors,
			receivedBytes: this.#receivedBytes,
			sentBytes: this.#sentBytes,
		};
	}

	#take(received: number): void {
		const request = this.#request;
		const headerProblem = request.checkHeader(received);
		if (headerProblem !== undefined) {
			this.#observer.malformed(`a request of ${received} bytes: ${headerProblem}`);
			// Without a whole header there is nobody to answer to.
			if (headerProblem !== 'truncated') this.#sendError(undefined, errno.EIO);
			return;
		}
		const row = this.#rowByOpcode[request.opcode];
		if (row === undefined) {
			this.#unknownCount++;
			this.#sendError(undefined, errno.ENOSYS);
			return;
		}
		row.count++;
		const {operation} = row;
		const problem = request.parse(operation);
		if (problem !== undefined) {
			this.#observer.malformed(`${operation.name} of ${received} bytes: ${problem}`);
			if (operation.reply !== 'none') this.#sendError(operation, errno.EINVAL);
			return;
		}
		if (this.#observer.trace !== undefined) {
			this.#observer.trace(traceRequest(operation, request));
		}
		if (row.handler !== undefined && this.#agreement !== undefined)
			this.#answer(row, row.handler, received);
		else this.#answerItself(operation, received);
	}

	#call({operation}: Row, handler: Handler): number {
		this.#reply.room = this.#roomFor(operation);
		try {
			return handler(this.#request, this.#reply);
		} catch (error) {
			return -this.#observer.failed(error, operation.name, this.#request.nodeId);
		}
	}

	/**
	 * Hears the FORGETs that the kernel has ready, and puts aside what else comes on the way. Returns
	 * whether there were any; the request that is being answered is in its place again.
	 */
	#hearForgets(operation: Operation, received: number): boolean {
		const request = this.#request;
		const current = request.bytes.slice(0, received);
		let hasHeard = false;
		while (this.#aside.length < asideMax) {
			const length = this.#transport.receiveReady?.(request.bytes) ?? 0;
			if (length === 0) break;
			this.#receivedBytes += length;
			const isWhole = request.checkHeader(length) === undefined;
			const name = isWhole ? this.#rowByOpcode[request.opcode]?.operation.name : undefined;
			const isForget = name === 'FORGET' || name === 'BATCH_FORGET';
			// An INTERRUPT comes ahead of all else, and takes no place: nothing is done for it.
			if (isForget || name === 'INTERRUPT') this.#take(length);
			else this.#aside.push(request.bytes.slice(0, length));
			hasHeard ||= isForget;
		}
		request.checkHeader(this.#load(current));
		request.parse(operation);
		return hasHeard;
	}

	#answer(row: Row, handler: Handler, received: number): void {
		const {operation} = row;
		let result = this.#call(row, handler);
		if (result < 0 && this.#observer.mayChange?.(-result) === true) {
			if (this.#hearForgets(operation, received)) result = this.#call(row, handler);
		}
		const {room} = this.#reply;
		if (result < 0) {
			this.#sendError(operation, -result);
			return;
		}
		if (result > room || !Number.isSafeInteger(result)) {
			// Sending it would make the kernel fail the request, or read what was never written.
			this.#observer.malformed(`a reply of ${result} bytes to ${operation.name}; it has ${room}`);
			this.#sendError(operation, errno.EIO);
			return;
		}
		this.#sendPayload(operation, result);
	}

	/** The bytes that the kernel takes as payload. Fixed parts are zeroed: handlers fill in fields. */
	#roomFor(operation: Operation): number {
		const {capacity, bytes} = this.#reply;
		const fixed = operation.reply;
		if (fixed === 'empty' || fixed === 'none') return 0;
		const fixedBytes = fixed === 'bytes' ? 0 : fixed.sizeBytes;
		if (fixedBytes > 0) bytes.fill(0, payloadAt, payloadAt + fixedBytes);
		if (operation.limitAt === undefined) return fixed === 'bytes' ? capacity : fixedBytes;
		const limit = this.#request.u32(operation.limitAt);
		if (limit === 0 && operation.sizeReply !== undefined) return operation.sizeReply.sizeBytes;
		return Math.min(capacity, fixedBytes + limit);
	}

	#answerItself(operation: Operation, received: number): void {
		switch (operation.name) {
			case 'INIT':
				this.#initialise(operation, received - inHeader.sizeBytes);
				return;
			case 'FORGET':
				this.#forget(this.#request.nodeId, this.#request.u64(forgetIn.at.nlookup));
				return;
			case 'BATCH_FORGET':
				this.#forgetMany();
				return;
			case 'INTERRUPT':
			case 'NOTIFY_REPLY':
				// Every request is answered before the next is read: there is nothing to interrupt.
				return;
			case 'DESTROY':
				this.#destroy(operation);
				return;
			default:
				if (operation.reply !== 'none') this.#sendError(operation, this.#refusalOf(operation));
		}
	}

	#refusalOf(operation: Operation): number {
		if (this.#agreement === undefined) return errno.EIO;
		return operation.writes === true ? errno.EROFS : errno.ENOSYS;
	}

	#initialise(operation: Operation, bodyBytes: number): void {
		if (this.#agreement !== undefined) {
			this.#observer.malformed('a second INIT');
			this.#sendError(operation, errno.EIO);
			return;
		}
		const offer = readOffer(this.#request, bodyBytes);
		const {bytes, view} = this.#reply;
		bytes.fill(0, payloadAt, payloadAt + initOut.sizeBytes);
		if (offer.major > kernelMajor) {
			// A kernel of a later major asks again when it hears ours.
			view.setUint32(payloadAt + initIn.at.major, kernelMajor, true);
			this.#sendPayload(operation, initOut.sizeBytes);
			return;
		}
		const problem = versionProblem(offer);
		if (problem !== undefined) {
			this.#fatal = new Error(problem);
			this.#sendError(operation, errno.EPROTO);
			return;
		}
		const agreement = agree(offer, this.#wishes);
		for (const row of this.#rows) row.operation = agreedOperation(row.operation, agreement);
		this.#handlers.negotiated?.(agreement, offer);
		this.#agreement = agreement;
		this.#sendPayload(operation, writeAgreement(this.#reply, agreement, this.#wishes));
	}

	#forgetMany(): void {
		const request = this.#request;
		const count = request.u32(batchForgetIn.at.count);
		const bytes = request.data().length;
		if (bytes !== count * forgetOne.sizeBytes) {
			this.#observer.malformed(`BATCH_FORGET of ${count} nodes in ${bytes} bytes`);
			return;
		}
		for (let index = 0; index < count; index++) {
			const at = batchForgetIn.sizeBytes + index * forgetOne.sizeBytes;
			this.#forget(request.u64(at + forgetOne.at.nodeid), request.u64(at + forgetOne.at.nlookup));
		}
	}

	#destroy(operation: Operation): void {
		try {
			this.#handlers.destroy?.();
			this.#sendPayload(operation, 0);
		} catch (error) {
			this.#sendError(operation, this.#observer.failed(error, operation.name, 0));
		}
	}

	/** Nobody waits for an answer, so there is nobody to hear of a failure but the observer. */
	#forget(nodeId: number, count: number): void {
		try {
			this.#handlers.forget?.(nodeId, count);
		} catch (error) {
			this.#observer.failed(error, 'FORGET', nodeId);
		}
	}

	#sendPayload(operation: Operation, payloadBytes: number): void {
		const {trace} = this.#observer;
		if (trace !== undefined) trace(traceReply(operation, this.#request, this.#reply, payloadBytes));
		const length = this.#reply.finish(this.#request, 0, payloadBytes);
		this.#sentBytes += length;
		if (this.#transport.send(this.#reply.bytes, length) !== 'refused') return;
		// The request still waits for an answer, and must not wait for ever.
		this.#observer.malformed(`the kernel refuses ${length} bytes in reply to ${operation.name}`);
		this.#sendError(operation, errno.EIO);
	}

	#sendError(operation: Operation | undefined, error: number): void {
		this.#errorCounts.set(error, (this.#errorCounts.get(error) ?? 0) + 1);
		const {trace} = this.#observer;
		if (trace !== undefined) trace(traceReply(operation, this.#request, this.#reply, -error));
		const length = this.#reply.finish(this.#request, error, 0);
		this.#sentBytes += outHeader.sizeBytes;
		// Refused here means that the request has been finished already.
		this.#transport.send(this.#reply.bytes, length);
	}
}

/** The operation with the shape that its request has from now on. */
function agreedOperation(operation: Operation, {flags}: Agreement): Operation {
	const {requestWith} = operation;
	if (requestWith === undefined || !flags.has(requestWith.flag)) return operation;
	return {...operation, request: requestWith.layout};
}

/** A row's handler, bound, so that a request costs one lookup by opcode and one call. */
function handlerOf(handlers: Handlers, operation: Operation): Handler | undefined {
	const name = operation.handler;
	if (name === undefined) return undefined;
	// The names in the table are the methods of Handlers; a table that is passed in may have more.
	const handler = handlers[name as HandlerName];
	return handler === undefined ? undefined : handler.bind(handlers);
}
