/** From an opened image to its page. */
import type {Volume} from '../../ext4/index.ts';
import type {OpenedImage} from '../../images/index.ts';
import {type Facts, gatherFacts} from '../volume-facts.ts';
import {brokenPage, reportPage, type Subject} from './document.ts';
import {gatherFindings} from './findings.ts';
import {openAsWellAsPossible} from './open-broken.ts';
import {Problems} from './problems.ts';
import {surveyVolume} from './survey.ts';
import {shownName} from './tree.ts';

export type ReportOptions = {
	readonly imageName: string;
	readonly madeAt: Date;
	readonly isChecked: boolean;
	/** Whether somebody may change the image meanwhile: the page says so. */
	readonly isInUse: boolean;
};

/** The facts, which include those of the journal; undefined where that is broken. */
function tryFacts(volume: Volume, image: OpenedImage, problems: Problems): Facts | undefined {
	return problems.attempt(() => gatherFacts(volume, image));
}

function textOf(plain: string | undefined, base64: string | undefined): string {
	const bytes = plain === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(plain);
	return shownName(bytes);
}

/** The page as HTML. Throws `DeviceError` where the image can't be read at all. */
export function makeReport(image: OpenedImage, options: ReportOptions): string {
	const {isInUse} = options;
	const problems = new Problems();
	const imageName = shownName(Buffer.from(options.imageName));
	const madeAt = `${options.madeAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
	const volume = openAsWellAsPossible(image.device, problems);
	const findings = options.isChecked ? gatherFindings(image, volume, isInUse) : undefined;
	if (volume === undefined) {
		return brokenPage({title: imageName, imageName, madeAt, isInUse}, problems, findings);
	}
	const survey = surveyVolume(volume, image.sizeBytes, problems);
	const facts = tryFacts(volume, image, problems);
	const label = textOf(facts?.label, facts?.labelBase64);
	const title = label === '' ? imageName : label;
	const subject: Subject = {title, imageName, madeAt, isInUse};
	const lastMountedOn = textOf(facts?.lastMountedOn, facts?.lastMountedOnBase64);
	return reportPage({subject, survey, facts, lastMountedOn, problems, findings});
}
