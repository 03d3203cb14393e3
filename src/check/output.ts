/** The forms in which findings are printed; each is given them as they come. */
import {styleText} from 'node:util';
import type {CheckSummary} from '../../ext4/check/check.ts';
import type {Severity} from '../../ext4/check/definition.ts';
import type {Finding} from '../../ext4/check/finding.ts';
import {printable} from '../../images/index.ts';
import {countOf} from '../format.ts';
import {print, printJson, printLine, quoteName, toJsonText} from '../output.ts';
import {programVersion} from '../version.ts';
import type {CheckedImage} from './checked-image.ts';
import {findingJson, imageJson, summaryJson} from './findings-json.ts';
import {messageText, placeText} from './place-text.ts';
import {sarifLog} from './sarif.ts';
import {repairText, replayText, usageText, verdictText} from './verdict.ts';

export type FindingsWriter = {
	finding(finding: Finding): void;
	/** Undefined where the check was interrupted. */
	end(summary: CheckSummary | undefined): void;
};

const colors = {error: 'red', warning: 'yellow', note: 'cyan'} as const satisfies {
	[severity in Severity]: string;
};

/** Colours where stdout is a terminal, and neither NO_COLOR nor its like is set. */
function severityText(severity: Severity): string {
	return styleText(['bold', colors[severity]], severity.padEnd(7), {stream: process.stdout});
}

export class TextWriter implements FindingsWriter {
	readonly #image: CheckedImage;
	#count = 0;

	constructor(image: CheckedImage) {
		this.#image = image;
	}

	finding(finding: Finding): void {
		this.#count += finding.count;
		const message = messageText(finding);
		const place = placeText(finding, message);
		const where = place === '' ? '' : ` (${place})`;
		printLine(`${severityText(finding.severity)} ${message}${where} [${finding.code}]`);
	}

	end(summary: CheckSummary | undefined): void {
		if (summary === undefined) return;
		const name = quoteName(this.#image.path);
		let all = 0;
		for (const count of summary.codes.values()) all += count;
		if (all > this.#count) {
			const rest = all - this.#count;
			printLine(
				`… and ${countOf(rest, 'finding')} more, those of a range counted one by one: a larger --max-findings shows ${rest === 1 ? 'it' : 'them'}`,
			);
		}
		for (const {pass, why} of summary.givenUp) {
			printLine(`${name}: not finished, pass ${pass}: ${printable(why)}`);
		}
		const replay = replayText(summary, this.#image.isInUse);
		if (replay !== undefined) printLine(`${name}: ${replay}.`);
		const usage = usageText(summary);
		if (usage !== undefined) printLine(`${name}: ${usage}`);
		printLine(`${name}: ${verdictText(summary)}`);
		const repair = repairText(summary, this.#image);
		if (repair !== undefined) printLine(repair);
		if (summary.advice !== undefined) printLine(printable(summary.advice));
	}
}

/** One document, a finding a line. */
export class JsonWriter implements FindingsWriter {
	readonly #image: CheckedImage;
	#separator = '';

	constructor(image: CheckedImage) {
		this.#image = image;
		print(`{"image":${toJsonText(imageJson(image))},\n"findings":[`);
	}

	finding(finding: Finding): void {
		print(`${this.#separator}\n${toJsonText(findingJson(finding))}`);
		this.#separator = ',';
	}

	end(summary: CheckSummary | undefined): void {
		const text = summary === undefined ? 'null' : toJsonText(summaryJson(summary, this.#image));
		print(`${this.#separator === '' ? '' : '\n'}],\n"summary":${text}}\n`);
	}
}

/** An object a line, as it comes: `{"finding": …}`, and at the end `{"summary": …}`. */
export class JsonLinesWriter implements FindingsWriter {
	readonly #image: CheckedImage;

	constructor(image: CheckedImage) {
		this.#image = image;
		printLine(toJsonText({image: imageJson(image)}));
	}

	finding(finding: Finding): void {
		printLine(toJsonText({finding: findingJson(finding)}));
	}

	end(summary: CheckSummary | undefined): void {
		const told = summary === undefined ? null : summaryJson(summary, this.#image);
		printLine(toJsonText({summary: told}));
	}
}

/** All at the end: a log begins with the rules that its results name. */
export class SarifWriter implements FindingsWriter {
	readonly #image: CheckedImage;
	readonly #findings: Finding[] = [];

	constructor(image: CheckedImage) {
		this.#image = image;
	}

	finding(finding: Finding): void {
		this.#findings.push(finding);
	}

	end(summary: CheckSummary | undefined): void {
		if (summary === undefined) return;
		const version = programVersion() ?? '0.0.0';
		printJson(sarifLog({version, image: this.#image, findings: this.#findings, summary}));
	}
}
