/** The block that guards against two mounts at once. Kernel documentation, "Multiple Mount Protection". */
import {structure} from './structure.ts';

export const mmp_struct = structure('mmp_struct', 1024, {
	mmp_magic: {at: 0x0, kind: 'u32'},
	mmp_seq: {at: 0x4, kind: 'u32', about: 'changes while the file system is in use'},
	// Two halves: only ever printed, and a hostile image may hold anything here.
	mmp_time_lo: {at: 0x8, kind: 'u32', unit: 'seconds'},
	mmp_time_hi: {at: 0xc, kind: 'u32'},
	mmp_nodename: {at: 0x10, kind: 'bytes', length: 64, about: 'the host that wrote it last'},
	mmp_bdevname: {at: 0x50, kind: 'bytes', length: 32},
	mmp_check_interval: {at: 0x70, kind: 'u16', unit: 'seconds'},
	mmp_checksum: {at: 0x3fc, kind: 'u32'},
});

export const mmpMagic = 0x004d4d50;

/** Values of mmp_seq that mean something; the others count up to `max` and start again at 1. */
export const mmpSequence = {max: 0xe24d4d4f, beingChecked: 0xe24d4d50, clean: 0xff4d4d50} as const;
