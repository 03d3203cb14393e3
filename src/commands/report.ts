/** `ext4box report`: one page that shows what is where on a disk. */
import * as fs from 'node:fs';
import {basename} from 'node:path';
import {openImage} from '../../images/index.ts';
import {argumentBytes} from '../argument-bytes.ts';
import {refusalText, whyInUse} from '../check/in-use.ts';
import {CliError, UsageError} from '../cli-error.ts';
import {parseCommand} from '../command-line.ts';
import {about} from '../failure.ts';
import {placeOf} from '../image-arguments.ts';
import {log} from '../log.ts';
import {decodeUtf8, print} from '../output.ts';
import {makeReport} from '../report/report.ts';
import {systemErrorText} from '../system-error.ts';

export const usage = `Usage: ext4box report [OPTIONS] IMAGE -o FILE.html

Writes one page that shows what is where on an ext2, ext3 or ext4 image: a map of its groups to zoom
into, the place of each file on it, fragmentation, the largest files and directories, its features,
and what the checker finds. The page stands by itself, asks the network for nothing, and is never
larger than 3 MiB. Of a broken image it shows what could be read.

Options:
  -o, --output FILE  where to write it; - for the standard output. An existing file is not replaced
  -f, --force        unless this is given
  --no-check         leave the checker out, which takes most of the time
  --live             report even on an image that is in use, which may look damaged for it
  --partition N      the file system is in this partition (found by itself where only one is ext)
  --offset BYTES     the file system starts here; 0x… for hexadecimal, with K, M, G or T for powers
                     of 1024, with s for sectors of 512 bytes

Examples:
  ext4box report disk.img -o disk.html
  ext4box report --partition 2 /dev/sdb -o - > sdb2.html
`;

const options = {
	output: {type: 'string', short: 'o'},
	force: {type: 'boolean', short: 'f'},
	'no-check': {type: 'boolean'},
	live: {type: 'boolean'},
	offset: {type: 'string'},
	partition: {type: 'string'},
} as const;

export async function run(args: string[]): Promise<number> {
	const {values, positionals} = parseCommand('report', args, options, ['IMAGE']);
	const [imagePath = ''] = positionals;
	const {output} = values;
	if (output === undefined) {
		throw new UsageError('where to? Name a file with -o FILE.html; see "ext4box help report"');
	}
	const where = placeOf(values);
	const isLive = values.live === true;
	const reason = whyInUse(imagePath);
	if (reason !== null && !isLive) throw new CliError(refusalText(imagePath, reason, 'report'));
	const page = await about(imagePath, () => {
		using image = openImage(argumentBytes(imagePath), {...where, acceptsBackup: true});
		for (const problem of image.problems) log.warn(`${imagePath}: ${problem}`);
		return makeReport(image, {
			imageName: basename(imagePath),
			madeAt: new Date(),
			isChecked: values['no-check'] !== true,
			isInUse: isLive,
		});
	});
	if (output === '-') print(page);
	else write(output, page, values.force === true);
	return 0;
}

function write(output: string, page: string, isForced: boolean): void {
	const path = Buffer.from(argumentBytes(output));
	const name = decodeUtf8(path) ?? output;
	try {
		// A name that was mistyped must not cost the image that it belongs to.
		if (writeNew(path, page)) return;
		if (!isForced) throw new CliError(`${name} is there already; --force replaces it`);
		fs.writeFileSync(path, page);
	} catch (error) {
		if (!(error instanceof Error && 'code' in error)) throw error;
		throw new CliError(`can't write ${name}: ${systemErrorText(error)}`);
	}
}

/** Whether there was no such file. What could not be written whole is not left behind. */
function writeNew(path: Buffer, page: string): boolean {
	let file: number;
	try {
		file = fs.openSync(path, 'wx');
	} catch (error) {
		if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
		throw error;
	}
	try {
		fs.writeFileSync(file, page);
	} catch (error) {
		fs.unlinkSync(path);
		throw error;
	} finally {
		fs.closeSync(file);
	}
	return true;
}
