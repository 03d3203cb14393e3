#include "unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounted.h"
#include "mountinfo.h"
#include "privileges.h"
#include "process.h"
#include "report.h"

static int refuse(enum failure failure, int error, const char *path) {
	report_failure(failure, error, "%s", path);
	return 1;
}

/* A lazy one goes by the mount's own descriptor, and can mean no other. */
static int detach(int root) {
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", root);
	privileges_raise();
	int error = umount2(link, MNT_DETACH) == 0 ? 0 : errno;
	privileges_lower();
	return error;
}

/*
 * With a descriptor of it open a mount is busy. So this one goes by its name in the directory that we
 * are in. That is bound to the mount as long as it lasts, for the kernel lets nobody rename or remove a
 * mountpoint; and once it is gone the name leads to a directory, not to another mount: below this one
 * there is none, which is seen by the id of the mount that it lies in. Between close and umount2
 * nothing is asked of anybody: whoever mounts on the same directory just then is all that is left.
 * For root, who could do without us, a mount may lie on another's root: systemd's automounts do.
 */
static int unmount_name(const char *name, int directory, int *root, const struct mountinfo *mount) {
	unsigned id, major, minor;
	if (!mounted_numbers(directory, &id, &major, &minor)) {
		return errno;
	}
	if (id != mount->parent && getuid() != 0) {
		return EBUSY;
	}
	privileges_raise();
	fd_close(root);
	int error = umount2(name, UMOUNT_NOFOLLOW) == 0 ? 0 : errno;
	privileges_lower();
	return error;
}

enum own { OWN, GONE, REFUSED };

/* Finds the mount in the table, if it is the caller's; REFUSED is reported. */
static enum own find_own(const struct options *options, struct mountinfo *found) {
	bool is_covered = false;
	switch (mountinfo_find(options->mount_id, options->device_major, options->device_minor, found,
	                       &is_covered)) {
	case LOOKUP_UNREADABLE:
		report_failure(FAIL_INTERNAL, errno, "the mount table can't be read");
		return REFUSED;
	case LOOKUP_ABSENT:
		return GONE;
	case LOOKUP_FOUND:
		break;
	}
	if (getuid() != 0 && (!found->has_user || found->user != getuid())) {
		report_failure(FAIL_POLICY, EPERM, "the mount is not yours");
		return REFUSED;
	}
	if (is_covered) {
		report_failure(FAIL_MOUNTPOINT, EBUSY, "the mount is covered");
		return REFUSED;
	}
	return OWN;
}

/* Of a mount and the directory that it lies in, opened with the caller's rights; -1 is reported. */
static int open_mount(const struct mountinfo *found, char *name, int *directory) {
	*directory = open(found->path[0] == 0 ? "/" : found->path,
	                  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int root = *directory < 0 || fchdir(*directory) != 0
	               ? -1
	               : openat(*directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	unsigned id, major, minor;
	if (root < 0 || !mounted_numbers(root, &id, &major, &minor)) {
		report_failure(FAIL_MOUNTPOINT, errno, "%s", found->path);
		fd_close(&root);
	} else if (id != found->id || major != found->major || minor != found->minor) {
		report_failure(FAIL_MOUNTPOINT, EBUSY, "%s: the mount is no longer where it was",
		               found->path);
		fd_close(&root);
	}
	return root;
}

/*
 * With root's rights, for whoever asks: so everything is looked at anew, in the kernel's table, and
 * the caller's word is nothing but a number.
 */
static int unmount_as_root(const struct options *options) {
	struct mountinfo found, held;
	enum own own = find_own(options, &found);
	if (own != OWN) {
		return own == GONE ? 0 : 1;
	}
	char *name = strrchr(found.path, '/');
	if (name == NULL || name[1] == 0) {
		return refuse(FAIL_MOUNTPOINT, EBUSY, "the mount's path is too long");
	}
	*name++ = 0;
	int directory = -1;
	int root = open_mount(&found, name, &directory);
	/*
	 * Only now, with the mount held, are its numbers its own. On the way to it the caller may have
	 * had us wait as long as he liked, in a file system of his, until both were given out again.
	 */
	own = root < 0 ? REFUSED : find_own(options, &held);
	if (own != OWN) {
		return own == GONE ? 0 : 1;
	}
	int error = options->lazy ? detach(root) : unmount_name(name, directory, &root, &held);
	fd_close(&root);
	name[-1] = '/';
	return error == 0 ? 0 : refuse(FAIL_BUSY, error == EBUSY ? 0 : error, found.path);
}

static int unmount_as_caller(const struct options *options) {
	struct mounted mount = {
		.way = geteuid() == 0 ? WAY_DIRECT : WAY_FUSERMOUNT3,
		.id = options->mount_id,
		.major = options->device_major,
		.minor = options->device_minor,
		.watch = -1,
		.abort = -1,
		.connection = -1,
	};
	char said[512] = "";
	switch (mounted_remove(&mount, options->lazy, said, sizeof said)) {
	case UNMOUNTED:
		return 0;
	case UNMOUNT_COVERED:
		report_failure(FAIL_MOUNTPOINT, EBUSY, "%s is covered by another mount",
		               options->mountpoint);
		return 1;
	case UNMOUNT_UNKNOWN:
		report_failure(FAIL_INTERNAL, errno, "the mount table can't be read");
		return 1;
	case UNMOUNT_BUSY:
		break;
	}
	report_failure(FAIL_BUSY, said[0] != 0 ? 0 : errno, "%s",
	               said[0] != 0 ? said : options->mountpoint);
	return 1;
}

int unmount_run(const struct options *options) {
	signals_block();
	int status = privileges_held() ? unmount_as_root(options) : unmount_as_caller(options);
	privileges_drop();
	return status;
}
