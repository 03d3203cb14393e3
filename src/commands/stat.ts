/** `ext4box stat`: all that is known of files. */
import {
	getXattr,
	type Inode,
	isExpectedError,
	listXattrs,
	parseWireAcl,
	readSymlink,
	type Volume,
} from '../../ext4/index.ts';
import {argumentBytes} from '../argument-bytes.ts';
import {parseCommand} from '../command-line.ts';
import {describeFailure} from '../failure.ts';
import {
	aclText,
	countOf,
	describeFlags,
	fullTime,
	isoTime,
	modeText,
	permissionText,
	typeNames,
} from '../format.ts';
import {imageOptions, imageOptionsHelp, withVolume} from '../image-arguments.ts';
import {log} from '../log.ts';
import {formatTable, jsonBytes, print, printJsonList, quoteName} from '../output.ts';
import {type Found, findPath} from '../paths.ts';

export const usage = `Usage: ext4box stat [OPTIONS] IMAGE PATH…

Shows all that is known of files in an ext2, ext3 or ext4 image: type, mode, owner, size, links,
times with nanoseconds, flags (with the letters of lsattr), project, extended attributes. A
symbolic link is shown itself, not what it leads to. PATH may also be <N>, the inode of that number.

Options:
  --json            one element a path, with the values of attributes; see docs/cli.md
${imageOptionsHelp}
Examples:
  ext4box stat disk.img /etc/passwd
  ext4box stat disk.img '<2>'
  ext4box stat --json disk.img /bin/ping | jq '.[].xattrs'
`;

const options = {...imageOptions, json: {type: 'boolean'}} as const;

type Attribute = {
	readonly name: Uint8Array;
	readonly value: Uint8Array;
	/** What an access control list says. */
	readonly acl: string | undefined;
	readonly storedIn: string;
};

type FileFacts = {
	readonly found: Found;
	readonly target: Uint8Array | undefined;
	readonly attributes: readonly Attribute[];
};

export async function run(args: string[]): Promise<number> {
	const {values, positionals} = parseCommand('stat', args, options, ['IMAGE', 'PATH…']);
	const [imagePath = '', ...paths] = positionals;
	return await withVolume(imagePath, values, ({volume}) => {
		let status = 0;
		function* eachOf<T>(show: (facts: FileFacts) => T): Generator<T> {
			for (const path of paths) {
				try {
					yield show(gather(volume, argumentBytes(path)));
				} catch (error) {
					if (!isExpectedError(error)) throw error;
					log.error(`${imagePath}: ${path}: ${describeFailure(error)}`);
					status = 1;
				}
			}
		}
		if (values.json === true) printJsonList(eachOf(facts => jsonOf(volume, facts)));
		else for (const text of eachOf(facts => textOf(volume, facts))) print(text);
		return status;
	});
}

function isAcl(name: string): boolean {
	return name === 'system.posix_acl_access' || name === 'system.posix_acl_default';
}

function gather(volume: Volume, path: Uint8Array): FileFacts {
	const found = findPath(volume, path, false);
	const {inode} = found;
	const target = inode.type === 'symlink' ? readSymlink(volume, inode) : undefined;
	const attributes = listXattrs(volume, inode).map(({name, storedIn, valueInode}) => {
		const value = getXattr(volume, inode, name) ?? new Uint8Array();
		return {
			name: Buffer.from(name, 'latin1'),
			value,
			acl: isAcl(name) && value.length > 0 ? aclText(parseWireAcl(value)) : undefined,
			storedIn: valueInode === 0 ? storedIn : `inode ${valueInode}`,
		};
	});
	return {found, target, attributes};
}

function rowsOf(volume: Volume, {found, target}: FileFacts): (readonly [string, string])[] {
	const {inode, path} = found;
	const {letters, names} = describeFlags(inode.flags);
	const {device, creationTime} = inode;
	const rows: [string, string][] = [
		['File', quoteName(path) + (target === undefined ? '' : ` -> ${quoteName(target)}`)],
		['Type', typeNames[inode.type]],
		['Inode', String(inode.number)],
		['Size', countOf(inode.sizeBytes, 'byte')],
		['Space', `${inode.sectors} sectors of 512 bytes, in blocks of ${volume.geometry.blockSize}`],
		['Links', String(inode.linkCount)],
		['Mode', `${permissionText(inode)} ${modeText(inode)}`],
		['Owner', `uid ${inode.uid}, gid ${inode.gid}, project ${inode.projectId}`],
		['Flags', names.length === 0 ? '-' : `${letters} (${names.join(', ')})`],
		['Generation', String(inode.generation)],
		['Accessed', fullTime(inode.accessTime)],
		['Modified', fullTime(inode.modificationTime)],
		['Changed', fullTime(inode.changeTime)],
		['Created', creationTime === undefined ? '-' : fullTime(creationTime)],
	];
	if (device !== undefined) rows.push(['Device', `${device.major}, ${device.minor}`]);
	return rows;
}

const shownValueMax = 60;

function attributeRow({name, value, acl, storedIn}: Attribute): [string, string] {
	const short = value.length <= shownValueMax ? quoteName(value) : undefined;
	const shown = acl ?? short;
	const is = shown === undefined ? '' : ` = ${shown}`;
	return [
		'Attribute',
		`${quoteName(name)}${is} (${countOf(value.length, 'byte')}, in the ${storedIn})`,
	];
}

function textOf(volume: Volume, facts: FileFacts): string {
	const rows = [...rowsOf(volume, facts), ...facts.attributes.map(attributeRow)];
	return formatTable(
		rows.map(([name, value]) => [`${name}:`, value]),
		['left', 'left'],
	);
}

function timesOf(inode: Inode) {
	const {creationTime} = inode;
	return {
		accessed: isoTime(inode.accessTime),
		modified: isoTime(inode.modificationTime),
		changed: isoTime(inode.changeTime),
		created: creationTime === undefined ? null : isoTime(creationTime),
	};
}

function jsonOf(volume: Volume, {found, target, attributes}: FileFacts): unknown {
	const {inode, path} = found;
	const {letters, names} = describeFlags(inode.flags);
	return {
		...jsonBytes('path', path),
		inode: inode.number,
		type: inode.type,
		mode: permissionText(inode),
		links: inode.linkCount,
		uid: inode.uid,
		gid: inode.gid,
		project: inode.projectId,
		size: inode.sizeBytes,
		sectors: inode.sectors,
		blockSize: volume.geometry.blockSize,
		flags: names,
		flagLetters: letters,
		generation: inode.generation,
		...timesOf(inode),
		...(inode.device === undefined ? {} : {device: inode.device}),
		...(target === undefined ? {} : jsonBytes('target', target)),
		xattrs: attributes.map(({name, value, acl, storedIn}) => ({
			...jsonBytes('name', name),
			...jsonBytes('value', value),
			...(acl === undefined ? {} : {acl}),
			sizeBytes: value.length,
			storedIn,
		})),
	};
}
