/**
 * The wire over sockets, with the server in a process of its own that runs the loop of the real one.
 * Messages keep their bounds (SOCK_SEQPACKET), as on /dev/fuse. What a socket can't do is to fail a
 * write(2) for what is in the message: so a second socket carries that verdict back.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {
	type InitFlag,
	inHeader,
	initFlagBits,
	initOut,
	outHeader,
	readU64,
} from '../../../src/fuse/layout.ts';
import {FakeKernel} from '../fake-kernel.ts';
import {finishSending, makePair, receive, send} from '../socket-pair.ts';
import {iomapTable} from './server.ts';

const messageBytesMax = (1 << 20) + 4096;
const initOpcode = 26;
const noReplyOpcodes: ReadonlySet<number> = new Set(
	iomapTable.filter(({reply}) => reply === 'none').map(({opcode}) => opcode),
);

export class SocketWire extends FakeKernel implements Disposable {
	readonly #requests: number;
	readonly #verdicts: number;
	readonly #ends = new DisposableStack();
	readonly #buffer = new Uint8Array(messageBytesMax);
	readonly #process: ChildProcess;
	#hasEnded = false;
	#low = 0;
	#high = 0;

	/** Starts a server on the image and the clock in files that are open as these descriptors. */
	constructor(image: number, clock: number) {
		super(iomapTable);
		const [requests, theirRequests] = makePair();
		const [verdicts, theirVerdicts] = makePair();
		this.#requests = this.#ends.adopt(requests, closeSync);
		this.#verdicts = this.#ends.adopt(verdicts, closeSync);
		const program = join(import.meta.dirname, 'socket-server.ts');
		this.#process = spawn(process.execPath, [program], {
			// Most of a short life would else be spent on reading sources.
			env: {...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache')},
			stdio: ['ignore', 'inherit', 'inherit', theirRequests, theirVerdicts, image, clock],
		});
		this.#process.unref();
		closeSync(theirRequests);
		closeSync(theirVerdicts);
	}

	override hasAgreed(flag: InitFlag): boolean {
		const bit = initFlagBits[flag];
		const word = bit < 32 ? this.#low : this.#high;
		return Math.floor(word / 2 ** (bit % 32)) % 2 === 1;
	}

	override exchange(request: Uint8Array, interrupt?: Uint8Array): Uint8Array[] {
		send(this.#requests, request);
		// The server finds it while it serves the request, or afterwards: a socket takes nothing back.
		if (interrupt !== undefined) send(this.#requests, interrupt);
		const asked = new DataView(request.buffer);
		const opcode = asked.getUint32(inHeader.at.opcode, true);
		if (noReplyOpcodes.has(opcode)) return [];
		const answers: Uint8Array[] = [];
		for (;;) {
			const message = this.#receive(this.#requests);
			const view = new DataView(message.buffer);
			const unique = readU64(view, outHeader.at.unique);
			this.#judge(unique === 0 ? (this.onNotification?.(message) ?? 0) : 0);
			if (unique === 0) continue;
			answers.push(message);
			// What answers an INTERRUPT may come before.
			if (unique !== readU64(asked, inHeader.at.unique)) continue;
			if (opcode === initOpcode) this.#noteAgreement(view);
			return answers;
		}
	}

	/** No request will follow. Returns what the server has found wrong. */
	end(): string[] {
		finishSending(this.#requests);
		const words = this.#receive(this.#verdicts);
		this.#hasEnded = true;
		return JSON.parse(Buffer.from(words).toString());
	}

	/** Settles when the server's process has ended. */
	get gone(): Promise<void> {
		const {exitCode, signalCode} = this.#process;
		if (exitCode !== null || signalCode !== null) return Promise.resolve();
		this.#process.ref();
		return new Promise(resolve => this.#process.once('exit', () => resolve()));
	}

	/** A server that was not ended is no use any more, whatever it waits for or does. */
	[Symbol.dispose](): void {
		this.#ends.dispose();
		if (!this.#hasEnded) this.#process.kill('SIGKILL');
	}

	#receive(descriptor: number): Uint8Array {
		const message = receive(descriptor, this.#buffer);
		if (message === undefined) throw new Error('the server has gone');
		return message;
	}

	#judge(errno: number): void {
		send(this.#verdicts, new Uint8Array(Int32Array.of(errno).buffer));
	}

	#noteAgreement(view: DataView): void {
		this.#low = view.getUint32(outHeader.sizeBytes + initOut.at.flags, true);
		this.#high = view.getUint32(outHeader.sizeBytes + initOut.at.flags2, true);
	}
}
