/*
 * An empty root: a small tmpfs with the program's files bound into it at the paths they have
 * outside, all of it read-only, nosuid and nodev; then the old root is let go, and nothing leads
 * back. No /proc, no /dev.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox-layers.h"

#define OLD "/.old"

/* What a mount in a user namespace must keep of the mount that it was made from. */
static unsigned long kept_flags(const char *path) {
	static const struct {
		unsigned long shown, flag;
	} pairs[] = {
		{ST_NOEXEC, MS_NOEXEC},
		{ST_NOATIME, MS_NOATIME},
		{ST_NODIRATIME, MS_NODIRATIME},
		{ST_RELATIME, MS_RELATIME},
	};
	struct statvfs facts;
	unsigned long flags = 0;
	if (statvfs(path, &facts) != 0) {
		return 0;
	}
	for (size_t index = 0; index < sizeof pairs / sizeof pairs[0]; index++) {
		flags |= (facts.f_flag & pairs[index].shown) != 0 ? pairs[index].flag : 0;
	}
	return flags;
}

/* Makes every directory that leads to path. */
static bool make_way(const char *path) {
	char part[PATH_MAX];
	if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) {
		errno = ENAMETOOLONG;
		return false;
	}
	for (char *at = strchr(part + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		*at = 0;
		if (mkdir(part, 0755) != 0 && errno != EEXIST) {
			return false;
		}
		*at = '/';
	}
	return true;
}

static bool make_place(const char *path, bool is_directory) {
	if (!make_way(path)) {
		return false;
	}
	if (is_directory) {
		return mkdir(path, 0755) == 0 || errno == EEXIST;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
	return fd >= 0 && close(fd) == 0;
}

static bool show(const struct sandbox_file *file, struct problem *problem) {
	char source[PATH_MAX + sizeof OLD];
	struct stat facts;
	snprintf(source, sizeof source, OLD "%s", file->source);
	if (stat(source, &facts) != 0 || !make_place(file->path, S_ISDIR(facts.st_mode))) {
		return problem_set(problem, errno, "%s", file->path);
	}
	unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV;
	if (mount(source, file->path, NULL, MS_BIND, NULL) != 0 ||
	    mount(NULL, file->path, NULL, flags | kept_flags(file->path), NULL) != 0) {
		return problem_set(problem, errno, "binding %s", file->path);
	}
	return true;
}

/* Inside the new root, the old one still at OLD. */
static bool fill_and_close(const struct sandbox *sandbox, struct problem *problem) {
	for (int index = 0; index < sandbox->file_count; index++) {
		if (!show(&sandbox->files[index], problem)) {
			return false;
		}
	}
	if (umount2(OLD, MNT_DETACH) != 0 || rmdir(OLD) != 0) {
		return problem_set(problem, errno, "letting go of the old root");
	}
	unsigned long flags =
		MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (mount(NULL, "/", NULL, flags, NULL) != 0 || chdir("/") != 0) {
		return problem_set(problem, errno, "making the new root read-only");
	}
	return true;
}

/*
 * Mounts the small tmpfs, in no mount namespace but our own. Any directory does: what it hides appears
 * again, below OLD, when it is the root. NULL where it can't.
 */
static const char *mount_somewhere(struct problem *problem) {
	static const char *const places[] = {"/tmp", "/dev"};
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		problem_set(problem, errno, "making mounts private");
		return NULL;
	}
	for (size_t index = 0; index < sizeof places / sizeof places[0]; index++) {
		if (mount("ext4box", places[index], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		          "mode=0755,size=64k,nr_inodes=1024") == 0) {
			return places[index];
		}
	}
	problem_set(problem, errno, "mounting a tmpfs");
	return NULL;
}

bool sandbox_try_mount(struct problem *problem) {
	const char *place = mount_somewhere(problem);
	return place != NULL &&
	       (umount2(place, MNT_DETACH) == 0 || problem_set(problem, errno, "unmounting"));
}

bool sandbox_make_root(const struct sandbox *sandbox, struct problem *problem) {
	const char *place = mount_somewhere(problem);
	if (place == NULL) {
		return false;
	}
	char old[32];
	snprintf(old, sizeof old, "%s" OLD, place);
	if (mkdir(old, 0700) != 0 || syscall(SYS_pivot_root, place, old) != 0) {
		return problem_set(problem, errno, "pivot_root");
	}
	if (chdir("/") != 0) {
		return problem_set(problem, errno, "chdir");
	}
	return fill_and_close(sandbox, problem);
}
