/** Loaded before every test file: e2fsprogs, sfdisk and losetup lie outside an ordinary user's PATH. */
process.env['PATH'] = `${process.env['PATH']}:/usr/sbin:/sbin`;
