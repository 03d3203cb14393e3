#include "mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "process.h"
#include "report.h"

/*
 * Where users keep directories. What the kernel shows of itself (proc, sysfs, cgroups ...) is not
 * among them, nor is FUSE: a server of the caller's, asked here, need never answer. Numbers that
 * linux/magic.h lacks are from statfs(2).
 */
static const uint32_t file_systems[] = {
	EXT4_SUPER_MAGIC,    BTRFS_SUPER_MAGIC, 0x58465342 /* XFS */,  F2FS_SUPER_MAGIC,
	TMPFS_MAGIC,         RAMFS_MAGIC,       0x2fc12fc1 /* ZFS */,  0xca451a4e /* bcachefs */,
	OVERLAYFS_SUPER_MAGIC, NFS_SUPER_MAGIC, 0x3153464a /* JFS */,  REISERFS_SUPER_MAGIC,
	NILFS_SUPER_MAGIC,   0xf15f /* eCryptfs */, 0x61756673 /* aufs */,
	AUTOFS_SUPER_MAGIC,
};

/* Neither these nor anything below them, for nobody: every program needs them, this one's server too. */
static const char *const system_trees[] = {
	"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin",
	"/sys", "/usr",
};

/* Nor these, but below them root: programs of root's look there for what they trust. */
static const char *const root_trees[] = {
	"/root", "/run", "/var/cache", "/var/lib", "/var/lock", "/var/log", "/var/mail", "/var/run",
	"/var/spool",
};

/* These themselves, but below them users have their own: of /run, /run/user/UID and /run/media/NAME. */
static const char *const system_folders[] = {
	"/", "/home", "/media", "/mnt", "/opt", "/run/media", "/run/user", "/srv", "/tmp", "/var",
	"/var/tmp",
};

static bool is_within(const char *path, const char *tree) {
	size_t length = strlen(tree);
	return strncmp(path, tree, length) == 0 && (path[length] == 0 || path[length] == '/');
}

static bool is_within_any(const char *path, const char *const trees[], size_t count) {
	for (size_t index = 0; index < count; index++) {
		if (is_within(path, trees[index])) {
			return true;
		}
	}
	return false;
}

static bool is_one_of(const char *path, const char *const folders[], size_t count) {
	for (size_t index = 0; index < count; index++) {
		if (strcmp(path, folders[index]) == 0) {
			return true;
		}
	}
	return false;
}

#define LIST(array) (array), sizeof(array) / sizeof(array)[0]

/* Whether it is a directory of the system's, where nothing is mounted for this caller. */
static bool is_system(const char *path, bool is_root) {
	if (is_within_any(path, LIST(system_trees)) || is_one_of(path, LIST(system_folders)) ||
	    is_one_of(path, LIST(root_trees))) {
		return true;
	}
	return !is_root && is_within_any(path, LIST(root_trees)) && !is_within(path, "/run/user") &&
	       !is_within(path, "/run/media");
}

static bool find_path(int fd, char *link, char *path) {
	snprintf(link, 64, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, PATH_MAX - 1);
	if (length <= 0 || length >= PATH_MAX - 1) {
		errno = length < 0 ? errno : ENAMETOOLONG;
		return false;
	}
	path[length] = 0;
	/* "(unreachable)/...": outside of our root, or of our mount namespace. */
	if (path[0] != '/') {
		errno = ENOENT;
		return false;
	}
	return true;
}

static const char *find_fault(int fd, const char *link, const char *path) {
	struct stat facts;
	struct statfs system;
	bool is_root = getuid() == 0;
	if (is_system(path, is_root)) {
		return is_root ? "it is a directory of the system's; choose another, as below /mnt or /root"
		               : "it is a directory of the system's; choose one of yours, as in your home";
	}
	if (fstatfs(fd, &system) != 0 || fstat(fd, &facts) != 0) {
		return "it can't be looked at";
	}
	bool is_known = false;
	for (size_t index = 0; index < sizeof file_systems / sizeof file_systems[0]; index++) {
		is_known = is_known || (uint32_t)system.f_type == file_systems[index];
	}
	if (!is_known) {
		return "its file system is not one to mount on";
	}
	if (is_root) {
		return NULL;
	}
	if ((facts.st_mode & S_ISVTX) != 0 && facts.st_uid != getuid()) {
		return "it is sticky and belongs to somebody else";
	}
	/* By the real ids: the caller's, whatever we hold. */
	return access(link, W_OK) == 0 ? NULL : "you may not write to it";
}

int mountpoint_open(const char *given, char path[PATH_MAX]) {
	char link[64];
	int fd = open(given, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (fd = fd_raise(fd)) < 0 || !find_path(fd, link, path)) {
		report_failure(FAIL_MOUNTPOINT, errno, "%s", given);
		fd_close(&fd);
		return -1;
	}
	const char *fault = find_fault(fd, link, path);
	if (fault != NULL) {
		report_failure(FAIL_MOUNTPOINT, EPERM, "%s: %s", path, fault);
		fd_close(&fd);
	}
	return fd;
}
