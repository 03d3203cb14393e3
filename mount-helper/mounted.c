#include "mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "direct.h"
#include "fusermount.h"
#include "installed.h"
#include "mountinfo.h"
#include "process.h"
#include "program.h"

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

/* Before Linux 5.8 statx(2) does not tell. */
static bool descriptor_mount_id(int fd, unsigned long long *id) {
	char path[64], line[128];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	FILE *file = fopen(path, "re");
	bool is_found = false;
	while (file != NULL && !is_found && fgets(line, sizeof line, file) != NULL) {
		is_found = sscanf(line, "mnt_id: %llu", id) == 1;
	}
	if (file != NULL) {
		fclose(file);
	}
	return is_found;
}

bool mounted_identify(struct mounted *mount, enum way way, const char *path) {
	struct mountinfo found;
	*mount = (struct mounted){.way = way, .watch = -1, .abort = -1, .connection = -1};
	mounted_watch(mount);
	if (mountinfo_at(path, &found) != LOOKUP_FOUND || !found.is_ext4box) {
		return false;
	}
	mount->id = found.id;
	mount->major = found.major;
	mount->minor = found.minor;
	if (!ask_mount_id(path, STATX_UNIQUE_ID, &mount->unique_id)) {
		mount->unique_id = 0;
	}
	mounted_open_controls(mount);
	return true;
}

void mounted_open_controls(struct mounted *mount) {
	fd_close(&mount->abort);
	fd_close(&mount->connection);
	open_connection(mount);
}

bool mounted_numbers(int fd, unsigned *id, unsigned *major, unsigned *minor) {
	struct statx facts;
	unsigned long long found;
	/* Nothing is asked for, for FUSE tells nobody but the mounter, and not even one who holds root's
	 * rights besides. What is wanted here comes all the same; not so the id that is never reused. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &facts) != 0) {
		return false;
	}
	found = facts.stx_mnt_id;
	if ((facts.stx_mask & STATX_MNT_ID) == 0 && !descriptor_mount_id(fd, &found)) {
		return false;
	}
	*id = (unsigned)found;
	*major = facts.stx_dev_major;
	*minor = facts.stx_dev_minor;
	return true;
}

bool mounted_know(struct mounted *mount, enum way way, int fd) {
	*mount = (struct mounted){.way = way, .watch = -1, .abort = -1, .connection = -1};
	mounted_watch(mount);
	return mounted_numbers(fd, &mount->id, &mount->major, &mount->minor);
}

void mounted_know_unique(struct mounted *mount, const char *path) {
	unsigned long long id;
	if (mount->unique_id == 0 && ask_mount_id(path, STATX_MNT_ID, &id) && id == mount->id &&
	    ask_mount_id(path, STATX_UNIQUE_ID, &id)) {
		mount->unique_id = id;
	}
}

void mounted_watch(struct mounted *mount) {
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	mount->watch = fd < 0 ? -1 : fd_raise(fd);
}

void mounted_refresh(struct mounted *mount) {
	struct mountinfo found;
	bool is_covered;
	if (!mount->is_gone && mountinfo_find(mount->id, mount->major, mount->minor, &found,
	                                      &is_covered) == LOOKUP_ABSENT) {
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

/* The installed helper, asked by one who has no rights any more; it looks for itself whose it is. */
static bool ask_installed(const struct mountinfo *found, bool is_lazy, char *said, size_t size) {
	char id[16], device[32];
	snprintf(id, sizeof id, "%u", found->id);
	snprintf(device, sizeof device, "%u:%u", found->major, found->minor);
	char *argv[] = {
		INSTALLED_HELPER,   "unmount", "--id", id, "--device", device, "--mountpoint",
		(char *)found->path, is_lazy ? "--lazy" : NULL, NULL,
	};
	return program_run(argv, said, size);
}

static bool unmount_by(enum way way, const struct mountinfo *found, bool is_lazy, char *said,
                       size_t size) {
	switch (way) {
	case WAY_FUSERMOUNT3:
		return fusermount_unmount(found->path, is_lazy, said, size);
	case WAY_INSTALLED:
		return ask_installed(found, is_lazy, said, size);
	default:
		return direct_unmount(found->path, is_lazy);
	}
}

enum unmounted mounted_remove(struct mounted *mount, bool is_lazy, char *said, size_t size) {
	struct mountinfo found;
	bool is_covered = false;
	if (mount->is_gone) {
		return UNMOUNTED;
	}
	switch (mountinfo_find(mount->id, mount->major, mount->minor, &found, &is_covered)) {
	case LOOKUP_UNREADABLE:
		return UNMOUNT_UNKNOWN;
	case LOOKUP_ABSENT:
		mount->is_gone = true;
		return UNMOUNTED;
	case LOOKUP_FOUND:
		break;
	}
	if (is_covered || !mounted_leads_to(mount, found.path)) {
		return UNMOUNT_COVERED;
	}
	if (!unmount_by(mount->way, &found, is_lazy, said, size)) {
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
