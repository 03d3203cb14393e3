#pragma once

/*
 * FUSE iomap: the kernel moves the data of files itself, to and from a block device. It does so for
 * whom one with CAP_SYS_RAWIO has marked /dev/fuse, before the mount; the mark goes with the open file,
 * and makes a server without any rights of its own able to say where the data lies.
 */
enum iomap {
	IOMAP_UNASKED,    /* The mount is not to have it. */
	IOMAP_GRANTED,
	IOMAP_KERNEL,     /* There is none in this kernel. */
	IOMAP_SWITCH,     /* There is, and root has not turned it on. */
	IOMAP_POLICY,     /* The administrator has forbidden it to us. */
	IOMAP_WITHHELD,   /* It could be had; but there is to be no block device to use it on. */
	IOMAP_PERMISSION, /* Nobody here has the right to grant it. */
	IOMAP_FAILED,     /* The kernel had something else against it. */
};

/* As the server is told it. */
const char *iomap_name(enum iomap answer);

/* Grants it, for one with root's rights. error: of FAILED. */
enum iomap iomap_grant(int fuse, int *error);

/* With the same rights: what would be granted is WITHHELD. */
enum iomap iomap_withhold(int fuse, int *error);

/* Without them: what there is for this open file as it is. */
enum iomap iomap_ask(int fuse, int *error);
