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

/*
 * With root's rights, for whoever asks: so everything is looked at anew, in the kernel's table, and
 * the caller's word is nothing but a number. The mountpoint's parent is opened with the caller's
 * rights, the name in it must lead to the mount that the table has, and stays so bound while that is
 * mounted: the kernel lets nobody rename or remove a mountpoint. Then that name, in that directory,
 * is unmounted.
 */
static int unmount_as_root(const struct options *options) {
	struct mountinfo found;
	bool is_covered = false;
	if (!mountinfo_find(options->mount_id, options->device_major, options->device_minor, &found,
	                    &is_covered)) {
		return 0;
	}
	if (getuid() != 0 && (!found.has_user || found.user != getuid())) {
		return refuse(FAIL_POLICY, EPERM, "the mount is not yours");
	}
	if (is_covered || found.path[0] == 0) {
		return refuse(FAIL_MOUNTPOINT, EBUSY, "the mount is covered, or out of reach");
	}
	char *name = strrchr(found.path, '/');
	if (name == NULL || name[1] == 0) {
		return refuse(FAIL_MOUNTPOINT, EINVAL, found.path);
	}
	*name++ = 0;
	int parent = open(found.path[0] == 0 ? "/" : found.path,
	                  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (parent < 0 || fchdir(parent) != 0) {
		return refuse(FAIL_MOUNTPOINT, errno, found.path);
	}
	close(parent);
	if (!mounted_is_here(name, found.id, found.major, found.minor)) {
		return refuse(FAIL_MOUNTPOINT, EBUSY, "the mount is no longer where it was");
	}
	privileges_raise();
	int result = umount2(name, UMOUNT_NOFOLLOW | (options->lazy ? MNT_DETACH : 0));
	int error = errno;
	privileges_lower();
	if (result != 0) {
		name[-1] = '/';
		return refuse(FAIL_BUSY, error == EBUSY ? 0 : error, found.path);
	}
	return 0;
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
