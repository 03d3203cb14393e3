/**
 * A headless Chromium, driven by the DevTools protocol over Node's own WebSocket: just what the
 * tests of the report need.
 */
import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const programs = ['chromium', 'chromium-browser', 'google-chrome'];

function findProgram(): string | undefined {
	return programs.find(name => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0);
}

/** Why a test that needs a browser can't run here; undefined if it can. */
export function whyNoBrowser(): string | undefined {
	return findProgram() === undefined ? `none of ${programs.join(', ')} is installed` : undefined;
}

/** Wherever there is a profile, crash reports and dconf's cache go to the home of who runs it. */
function homeIn(folder: string): {readonly [name: string]: string} {
	return {
		HOME: folder,
		XDG_CONFIG_HOME: path.join(folder, 'config'),
		XDG_CACHE_HOME: path.join(folder, 'cache'),
		XDG_DATA_HOME: path.join(folder, 'data'),
		XDG_RUNTIME_DIR: folder,
	};
}

type Answer = {
	readonly id?: number;
	readonly method?: string;
	readonly params?: {readonly [name: string]: unknown};
	readonly result?: {readonly [name: string]: unknown};
	readonly error?: {readonly message: string};
};

type Waiting = {
	resolve(result: {readonly [name: string]: unknown}): void;
	reject(error: Error): void;
};

export type Size = {readonly width: number; readonly height: number; readonly isPhone?: boolean};

export class Browser implements AsyncDisposable {
	readonly #process: ChildProcess;
	readonly #folder: string;
	readonly #socket: WebSocket;
	readonly #waiting = new Map<number, Waiting>();
	#lastId = 0;
	#session = '';
	/** What the console said as a warning or an error, exceptions, and what the policy refused. */
	readonly complaints: string[] = [];
	/** Addresses that the page has asked for. */
	readonly requests: string[] = [];

	private constructor(child: ChildProcess, folder: string, socket: WebSocket) {
		this.#process = child;
		this.#folder = folder;
		this.#socket = socket;
		socket.addEventListener('message', event => this.#receive(String(event.data)));
	}

	static async open(): Promise<Browser> {
		const program = findProgram();
		if (program === undefined) throw new Error('there is no browser');
		const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-browser-'));
		const child = spawn(
			program,
			[
				'--headless=new',
				'--no-sandbox', // Chromium's own needs not to be root; the pages are ours.
				'--disable-gpu',
				'--hide-scrollbars',
				'--no-first-run',
				'--remote-debugging-port=0',
				`--user-data-dir=${path.join(folder, 'profile')}`,
				'about:blank',
			],
			{stdio: ['ignore', 'ignore', 'pipe'], env: {...process.env, ...homeIn(folder)}},
		);
		const address = await new Promise<string>((resolve, reject) => {
			let text = '';
			child.stderr?.on('data', chunk => {
				text += String(chunk);
				const found = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
				if (found !== undefined) resolve(found);
			});
			child.once('exit', code => reject(new Error(`the browser ended with ${code}: ${text}`)));
		});
		const socket = new WebSocket(address);
		await new Promise((resolve, reject) => {
			socket.addEventListener('open', resolve, {once: true});
			socket.addEventListener('error', reject, {once: true});
		});
		const browser = new Browser(child, folder, socket);
		await browser.#attach();
		return browser;
	}

	async #attach(): Promise<void> {
		const {targetId} = await this.send('Target.createTarget', {url: 'about:blank'});
		const {sessionId} = await this.send('Target.attachToTarget', {targetId, flatten: true});
		this.#session = String(sessionId);
		for (const domain of ['Page', 'Runtime', 'Log', 'Network', 'Accessibility']) {
			await this.send(`${domain}.enable`);
		}
	}

	#receive(text: string): void {
		const {id, method, params, result, error} = JSON.parse(text) as Answer;
		if (id !== undefined) {
			const waiting = this.#waiting.get(id);
			this.#waiting.delete(id);
			if (error === undefined) waiting?.resolve(result ?? {});
			else waiting?.reject(new Error(error.message));
			return;
		}
		const isComplaint =
			method === 'Runtime.exceptionThrown' ||
			method === 'Log.entryAdded' ||
			(method === 'Runtime.consoleAPICalled' && params?.['type'] !== 'log');
		if (isComplaint) this.complaints.push(JSON.stringify(params));
		if (method === 'Network.requestWillBeSent') {
			const request = params?.['request'] as {url: string} | undefined;
			this.requests.push(request?.url ?? '');
		}
	}

	send(
		method: string,
		params: {readonly [name: string]: unknown} = {},
	): Promise<{readonly [name: string]: unknown}> {
		const id = ++this.#lastId;
		const session = this.#session === '' ? {} : {sessionId: this.#session};
		return new Promise((resolve, reject) => {
			this.#waiting.set(id, {resolve, reject});
			this.#socket.send(JSON.stringify({id, method, params, ...session}));
		});
	}

	/** The value of an expression in the page; a promise is waited for. */
	async evaluate<T>(expression: string): Promise<T> {
		const {result, exceptionDetails} = (await this.send('Runtime.evaluate', {
			expression,
			awaitPromise: true,
			returnByValue: true,
		})) as {result?: {value?: unknown}; exceptionDetails?: unknown};
		if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
		return result?.value as T;
	}

	/** Waits until an expression is true; throws where that takes more than ten seconds. */
	async until(expression: string): Promise<void> {
		const end = Date.now() + 10_000;
		while (!(await this.evaluate<boolean>(`Boolean(${expression})`))) {
			if (Date.now() > end) throw new Error(`never true: ${expression}`);
			await new Promise(resolve => setTimeout(resolve, 30));
		}
	}

	async setSize({width, height, isPhone = false}: Size): Promise<void> {
		await this.send('Emulation.setDeviceMetricsOverride', {
			width,
			height,
			deviceScaleFactor: isPhone ? 2 : 1,
			mobile: isPhone,
		});
		await this.send('Emulation.setTouchEmulationEnabled', {enabled: isPhone, maxTouchPoints: 2});
	}

	/** What the system is said to want, such as `{'prefers-color-scheme': 'dark'}`. */
	async setMedia(features: {readonly [name: string]: string}): Promise<void> {
		const list = Object.entries(features).map(([name, value]) => ({name, value}));
		await this.send('Emulation.setEmulatedMedia', {features: list});
	}

	async navigate(url: string): Promise<void> {
		await this.send('Page.navigate', {url});
		await this.until('document.readyState === "complete"');
	}

	async key(key: string, code = key): Promise<void> {
		const text = key.length === 1 ? {text: key} : key === 'Enter' ? {text: '\r'} : {};
		await this.send('Input.dispatchKeyEvent', {type: 'keyDown', key, code, ...text});
		await this.send('Input.dispatchKeyEvent', {type: 'keyUp', key, code});
	}

	async type(text: string): Promise<void> {
		await this.send('Input.insertText', {text});
	}

	async mouse(
		type: string,
		x: number,
		y: number,
		more: {[name: string]: unknown} = {},
	): Promise<void> {
		await this.send('Input.dispatchMouseEvent', {type, x, y, ...more});
	}

	async click(x: number, y: number): Promise<void> {
		await this.mouse('mouseMoved', x, y);
		await this.mouse('mousePressed', x, y, {button: 'left', clickCount: 1});
		await this.mouse('mouseReleased', x, y, {button: 'left', clickCount: 1});
	}

	/** A PNG of what is seen, or of the whole page. */
	async screenshot(isWhole = false): Promise<Buffer> {
		const {data} = await this.send('Page.captureScreenshot', {
			format: 'png',
			captureBeyondViewport: isWhole,
			...(isWhole ? {clip: await this.#wholePage()} : {}),
		});
		return Buffer.from(String(data), 'base64');
	}

	async #wholePage() {
		const {cssContentSize} = (await this.send('Page.getLayoutMetrics')) as {
			cssContentSize: {width: number; height: number};
		};
		return {x: 0, y: 0, width: cssContentSize.width, height: cssContentSize.height, scale: 1};
	}

	async [Symbol.asyncDispose](): Promise<void> {
		const ended = new Promise(resolve => this.#process.once('exit', resolve));
		this.#socket.close();
		this.#process.kill();
		await ended;
		fs.rmSync(this.#folder, {recursive: true, force: true, maxRetries: 5});
	}
}
