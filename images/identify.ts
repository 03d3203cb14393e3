/**
 * What an image that is not ext seems to be, by its magic numbers, and what to do about it. Only
 * for messages: nothing is decoded on the strength of a guess.
 */
import type {BlockDevice} from '../ext4/device.ts';

export type Guess = {
	/** With its article: "a gzip file". */
	readonly name: string;
	/** What to do first, as half a sentence; undefined where there is nothing to recommend. */
	readonly advice: string | undefined;
};

type Magic = {
	/** Bytes from the start; negative: from the end. */
	readonly at: number;
	/** One character a byte. */
	readonly bytes: string;
	readonly name: string;
	readonly advice?: string;
};

const notExt = 'it holds another kind of file system, which ext4box does not read';
const notDisk = 'it is no disk image';
const convert = (format: string) =>
	`make it a raw image first: qemu-img convert -f ${format} -O raw IMAGE disk.img`;
const unpack = (command: string) => `unpack it first: ${command}`;

// Where two fit, the first counts: so what wraps a disk stands above what lies on one, and what is
// known by few bytes stands last.
const magics: readonly Magic[] = [
	{at: 0, bytes: '\x1f\x8b', name: 'a gzip file', advice: unpack('gunzip -k IMAGE')},
	{at: 0, bytes: '\xfd7zXZ\0', name: 'an xz file', advice: unpack('unxz -k IMAGE')},
	{at: 0, bytes: '\x28\xb5\x2f\xfd', name: 'a zstd file', advice: unpack('unzstd IMAGE')},
	{at: 0, bytes: 'BZh', name: 'a bzip2 file', advice: unpack('bunzip2 -k IMAGE')},
	{at: 0, bytes: '\x04\x22\x4d\x18', name: 'an lz4 file', advice: unpack('unlz4 IMAGE')},
	{at: 0, bytes: 'LZIP', name: 'an lzip file', advice: unpack('lzip -dk IMAGE')},
	{at: 0, bytes: '\x89LZO\0', name: 'an lzop file', advice: unpack('lzop -d IMAGE')},
	{at: 0, bytes: '\x1f\x9d', name: 'a file of compress', advice: unpack('uncompress -k IMAGE')},
	{at: 0, bytes: 'PK\x03\x04', name: 'a zip archive', advice: unpack('unzip IMAGE')},
	{at: 0, bytes: '7z\xbc\xaf\x27\x1c', name: 'a 7-Zip archive', advice: unpack('7z x IMAGE')},
	{at: 0, bytes: 'Rar!\x1a\x07', name: 'a RAR archive', advice: unpack('unrar x IMAGE')},
	{at: 0, bytes: 'QFI\xfb', name: 'a qcow2 disk', advice: convert('qcow2')},
	{at: 0, bytes: 'QED\0', name: 'a QED disk', advice: convert('qed')},
	{at: 0, bytes: 'KDMV', name: 'a VMDK disk', advice: convert('vmdk')},
	{at: 0, bytes: 'COWD', name: 'a VMDK disk', advice: convert('vmdk')},
	{
		at: 0,
		bytes: '# Disk DescriptorFile',
		name: 'the description of a VMDK disk',
		advice: convert('vmdk'),
	},
	{at: 0x40, bytes: '\x7f\x10\xda\xbe', name: 'a VDI disk', advice: convert('vdi')},
	{at: 0, bytes: 'vhdxfile', name: 'a VHDX disk', advice: convert('vhdx')},
	{at: 0, bytes: 'conectix', name: 'a VHD disk', advice: convert('vpc')},
	{at: 0, bytes: 'WithoutFreeSpace', name: 'a Parallels disk', advice: convert('parallels')},
	{at: 0, bytes: 'WithouFreSpacExt', name: 'a Parallels disk', advice: convert('parallels')},
	{at: -512, bytes: 'koly', name: 'an Apple disk image (dmg)', advice: convert('dmg')},
	{
		at: 0,
		bytes: '\x3a\xff\x26\xed',
		name: 'an Android sparse image',
		advice: 'make it a raw image first: simg2img IMAGE disk.img',
	},
	{
		at: 0,
		bytes: 'partclone-image',
		name: 'a partclone image',
		advice: 'restore it first: partclone.restore -s IMAGE -o disk.img',
	},
	{
		at: 0,
		bytes: 'E2UNDO02',
		name: 'an undo file of e2fsprogs',
		advice: 'give the image that it belongs to',
	},
	{
		at: 0,
		bytes: 'LUKS\xba\xbe',
		name: 'a LUKS encrypted volume',
		advice: 'open it first (cryptsetup open IMAGE NAME) and give /dev/mapper/NAME',
	},
	{
		at: 3,
		bytes: '-FVE-FS-',
		name: 'a BitLocker encrypted volume',
		advice: 'open it first (cryptsetup open --type bitlk IMAGE NAME)',
	},
	{
		at: 536,
		bytes: 'LVM2 001',
		name: 'an LVM physical volume',
		advice: 'activate it first (vgchange -ay) and give the logical volume in /dev/mapper',
	},
	{
		at: 0x1000,
		bytes: '\xfc\x4e\x2b\xa9',
		name: 'a member of a Linux RAID',
		advice: 'assemble it first (mdadm --assemble) and give /dev/mdN',
	},
	{
		at: 0,
		bytes: '\xfc\x4e\x2b\xa9',
		name: 'a member of a Linux RAID',
		advice: 'assemble it first (mdadm --assemble) and give /dev/mdN',
	},
	{
		at: 0,
		bytes: 'hsqs',
		name: 'a SquashFS file system',
		advice: 'mount it with squashfuse, or unpack it with unsquashfs',
	},
	{
		at: 0,
		bytes: 'sqsh',
		name: 'a SquashFS file system',
		advice: 'mount it with squashfuse, or unpack it with unsquashfs',
	},
	{
		at: 1024,
		bytes: '\xe2\xe1\xf5\xe0',
		name: 'an EROFS file system',
		advice: 'mount it with erofsfuse',
	},
	{at: 1024, bytes: '\x10\x20\xf5\xf2', name: 'an F2FS file system', advice: notExt},
	{at: 0, bytes: 'XFSB', name: 'an XFS file system', advice: notExt},
	{at: 0x10040, bytes: '_BHRfS_M', name: 'a Btrfs file system', advice: notExt},
	{
		at: 0x1018,
		bytes: '\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef',
		name: 'a bcachefs file system',
		advice: notExt,
	},
	{at: 0x10034, bytes: 'ReIsEr', name: 'a ReiserFS file system', advice: notExt},
	{at: 0x8000, bytes: 'JFS1', name: 'a JFS file system', advice: notExt},
	{at: 32, bytes: 'NXSB', name: 'an APFS container', advice: notExt},
	{at: 0, bytes: '\x45\x3d\xcd\x28', name: 'a cramfs file system', advice: notExt},
	{at: 0, bytes: '-rom1fs-', name: 'a romfs file system', advice: notExt},
	{at: 3, bytes: 'NTFS    ', name: 'an NTFS file system', advice: notExt},
	{at: 3, bytes: 'EXFAT   ', name: 'an exFAT file system', advice: notExt},
	{at: 82, bytes: 'FAT32   ', name: 'a FAT32 file system', advice: notExt},
	{at: 54, bytes: 'FAT16   ', name: 'a FAT16 file system', advice: notExt},
	{at: 54, bytes: 'FAT12   ', name: 'a FAT12 file system', advice: notExt},
	{at: 0x8001, bytes: 'CD001', name: 'an ISO 9660 image (a CD or DVD)', advice: notExt},
	{at: 0x8001, bytes: 'BEA01', name: 'a UDF file system', advice: notExt},
	...[4096, 8192, 16384, 32768, 65536].flatMap(page => [
		{at: page - 10, bytes: 'SWAPSPACE2', name: 'swap space', advice: 'it holds no files'},
		{at: page - 10, bytes: 'SWAP-SPACE', name: 'swap space', advice: 'it holds no files'},
	]),
	{at: 257, bytes: 'ustar', name: 'a tar archive', advice: unpack('tar -xf IMAGE')},
	{at: 0, bytes: '07070', name: 'a cpio archive', advice: unpack('cpio -id < IMAGE')},
	{
		at: 0,
		bytes: '!<arch>\n',
		name: 'an ar archive or Debian package',
		advice: unpack('ar x IMAGE'),
	},
	{at: 0, bytes: '\xed\xab\xee\xdb', name: 'an RPM package', advice: notDisk},
	{at: 0, bytes: '\x7fELF', name: 'an ELF program', advice: notDisk},
	{at: 0, bytes: '#!', name: 'a script', advice: notDisk},
	{at: 0, bytes: '%PDF-', name: 'a PDF document', advice: notDisk},
	{at: 0, bytes: '\x89PNG', name: 'a PNG picture', advice: notDisk},
	{at: 0, bytes: '\xff\xd8\xff', name: 'a JPEG picture', advice: notDisk},
	{at: 1024, bytes: 'H+', name: 'an HFS+ file system', advice: notExt},
	{at: 1024, bytes: 'HX', name: 'an HFSX file system', advice: notExt},
	{at: 1030, bytes: '\x34\x34', name: 'a NILFS2 file system', advice: notExt},
	{
		at: 0,
		bytes: 'ER',
		name: 'a disk with an Apple partition map',
		advice: 'name where its ext partition starts with --offset BYTES',
	},
	{at: 0, bytes: 'MZ', name: 'a Windows program', advice: notDisk},
];

const headBytes = 0x11000; // Beyond the last magic.
const zeroSampleBytes = 0x10_0000;

function hasBytes(from: Uint8Array, at: number, bytes: string): boolean {
	if (at < 0 || at + bytes.length > from.length) return false;
	for (let index = 0; index < bytes.length; index++) {
		if (from[at + index] !== bytes.charCodeAt(index)) return false;
	}
	return true;
}

function isZero(bytes: Uint8Array): boolean {
	return bytes.every(byte => byte === 0);
}

/** No control characters but those of text, and UTF-8. */
function isText(bytes: Uint8Array): boolean {
	const sample = bytes.subarray(0, 4096);
	if (sample.some(byte => (byte < 0x20 && !(byte >= 9 && byte <= 13)) || byte === 0x7f))
		return false;
	try {
		// `stream`: the sample may end inside a character.
		new TextDecoder('utf-8', {fatal: true}).decode(sample, {stream: true});
		return true;
	} catch (error) {
		if (error instanceof TypeError) return false; // That is how it says "not UTF-8".
		throw error;
	}
}

function readSome(device: BlockDevice, position: number, sizeMax: number): Uint8Array {
	const bytes = new Uint8Array(Math.max(0, Math.min(sizeMax, device.sizeBytes - position)));
	device.read(position, bytes);
	return bytes;
}

/**
 * What `device` seems to hold; undefined where nothing is recognised. Reads a MiB at most. Throws
 * `DeviceError`.
 */
export function identify(device: BlockDevice): Guess | undefined {
	const head = readSome(device, 0, headBytes);
	const tailAt = Math.max(0, device.sizeBytes - 512);
	const tail = readSome(device, tailAt, 512);
	for (const magic of magics) {
		const isFound =
			magic.at >= 0
				? hasBytes(head, magic.at, magic.bytes)
				: hasBytes(tail, tail.length + magic.at, magic.bytes);
		if (isFound) return {name: magic.name, advice: magic.advice};
	}
	if (isZero(head) && isZero(readSome(device, 0, zeroSampleBytes))) {
		const isAll = device.sizeBytes <= zeroSampleBytes;
		return {
			name: isAll ? 'nothing but zeros' : 'zeros, in its first MiB at least',
			advice: undefined,
		};
	}
	if (isText(head)) return {name: 'text', advice: notDisk};
	return undefined;
}
