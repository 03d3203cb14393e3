#include "mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "direct.h"
#include "fusermount.h"
#include "mountinfo.h"
#include "process.h"

/* Newer than the headers of some distributions. */
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif
#define STATX_UNIQUE_ID 0x4000U

/* The mount that a path leads to. DONT_SYNC: the server, which may hang, is not asked. */
static bool ask_mount_id(const char *path, unsigned wanted, unsigned long long *id) {
	struct statx facts;
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
	if (statx(AT_FDCWD, path, flags, wanted, &facts) != 0 || (facts.stx_mask & wanted) == 0) {
		return false;
	}
	*id = facts.stx_mnt_id;
	return true;
}

/* Held open from the start: the number in the path is given out again, these are not. */
static void open_connection(struct mounted *mount) {
	char path[64];
	snprintf(path, sizeof path, "/sys/fs/fuse/connections/%u", mount->minor);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	mount->connection = fd < 0 ? -1 : fd_raise(fd);
	fd = mount->connection < 0 ? -1 : openat(mount->connection, "abort", O_WRONLY | O_CLOEXEC);
	mount->abort = fd < 0 ? -1 : fd_raise(fd);
}

bool mounted_identify(struct mounted *mount, enum way way, const char *path) {
	struct mountinfo found;
	*mount = (struct mounted){.way = way, .watch = -1, .abort = -1, .connection = -1};
	mounted_watch(mount);
	if (!mountinfo_at(path, &found) || !found.is_ext4box) {
		return false;
	}
	mount->id = found.id;
	mount->major = found.major;
	mount->minor = found.minor;
	if (!ask_mount_id(path, STATX_UNIQUE_ID, &mount->unique_id)) {
		mount->unique_id = 0;
	}
	open_connection(mount);
	return true;
}

void mounted_watch(struct mounted *mount) {
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	mount->watch = fd < 0 ? -1 : fd_raise(fd);
}

void mounted_refresh(struct mounted *mount) {
	struct mountinfo found;
	bool is_covered;
	if (!mount->is_gone &&
	    !mountinfo_find(mount->id, mount->major, mount->minor, &found, &is_covered)) {
		mount->is_gone = true;
	}
}

bool mounted_leads_to(const struct mounted *mount, const char *path) {
	unsigned long long id;
	if (mount->unique_id != 0) {
		return ask_mount_id(path, STATX_UNIQUE_ID, &id) && id == mount->unique_id;
	}
	return !ask_mount_id(path, STATX_MNT_ID, &id) || id == mount->id;
}

enum unmounted mounted_remove(struct mounted *mount, bool is_lazy, char *said, size_t size) {
	struct mountinfo found;
	bool is_covered = false;
	if (mount->is_gone ||
	    !mountinfo_find(mount->id, mount->major, mount->minor, &found, &is_covered)) {
		mount->is_gone = true;
		return UNMOUNTED;
	}
	if (is_covered || !mounted_leads_to(mount, found.path)) {
		return UNMOUNT_COVERED;
	}
	bool is_done = mount->way == WAY_FUSERMOUNT3
	                   ? fusermount_unmount(found.path, is_lazy, said, size)
	                   : direct_unmount(found.path, is_lazy);
	if (!is_done) {
		return UNMOUNT_BUSY;
	}
	mount->is_gone = true;
	return UNMOUNTED;
}

bool mounted_abort(struct mounted *mount) {
	return mount->abort >= 0 && write(mount->abort, "1", 1) == 1;
}

void mounted_close(struct mounted *mount) {
	fd_close(&mount->watch);
	fd_close(&mount->abort);
	fd_close(&mount->connection);
}
