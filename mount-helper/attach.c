#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "direct.h"
#include "mountinfo.h"
#include "privileges.h"
#include "report.h"

/* Newer than the headers of some distributions; the same numbers on every architecture. */
#ifndef SYS_move_mount
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef FSOPEN_CLOEXEC
#define FSOPEN_CLOEXEC 0x1
#define FSMOUNT_CLOEXEC 0x1
#define FSCONFIG_SET_FLAG 0
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_CMD_CREATE 6
#define MOUNT_ATTR_RDONLY 0x1
#define MOUNT_ATTR_NOSUID 0x2
#define MOUNT_ATTR_NODEV 0x4
#define MOUNT_ATTR_NOEXEC 0x8
#define MOUNT_ATTR_NOATIME 0x10
#define MOVE_MOUNT_F_EMPTY_PATH 0x4
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#endif

/* For tests: as on a kernel that has none of these. */
#ifndef EXT4BOX_WITHOUT_FSOPEN
#define EXT4BOX_WITHOUT_FSOPEN 0
#endif

static bool set_text(int context, const char *name, const char *value) {
	return syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, name, value, 0) == 0;
}

static bool set_number(int context, const char *name, const char *format, unsigned value) {
	char text[16];
	snprintf(text, sizeof text, format[1] == 'o' ? "%o" : "%u", value);
	return set_text(context, name, text);
}

static bool set_flag(int context, const char *name, bool is_on) {
	return !is_on || syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, name, NULL, 0) == 0;
}

static bool configure(int context, const struct options *options, int fuse) {
	return set_text(context, "source", options->fsname) &&
	       set_text(context, "subtype", options->subtype) &&
	       set_number(context, "fd", "%u", (unsigned)fuse) &&
	       set_number(context, "rootmode", "%o", S_IFDIR) &&
	       set_number(context, "user_id", "%u", getuid()) &&
	       set_number(context, "group_id", "%u", getgid()) &&
	       set_flag(context, "ro", options->read_only) &&
	       set_flag(context, "allow_other", options->allow_other) &&
	       set_flag(context, "default_permissions", options->default_permissions) &&
	       syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
}

/* The mount, still in nobody's tree of names: should we die here, it goes away by itself. */
static int make_mount(const struct options *options, int fuse) {
	unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
	                 (options->read_only ? MOUNT_ATTR_RDONLY : 0) |
	                 (options->noexec ? MOUNT_ATTR_NOEXEC : 0) |
	                 (options->noatime ? MOUNT_ATTR_NOATIME : 0);
	int context = (int)syscall(SYS_fsopen, "fuse", FSOPEN_CLOEXEC);
	if (context < 0) {
		return -1;
	}
	int mount = -1;
	if (configure(context, options, fuse)) {
		mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, flags);
	}
	int error = errno;
	close(context);
	/* Only the first call says that there is no such interface. */
	errno = error == ENOSYS ? EINVAL : error;
	return mount;
}

static bool attach(const struct options *options, int fuse, int mountpoint, struct mounted *mount) {
	int made = make_mount(options, fuse);
	if (made < 0) {
		return false;
	}
	bool is_attached = mounted_know(mount, WAY_INSTALLED, made) &&
	                   syscall(SYS_move_mount, made, "", mountpoint, "",
	                           MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
	int error = errno;
	close(made);
	errno = error == ENOSYS ? EINVAL : error;
	return is_attached;
}

/* By the name that /proc has for a descriptor, which leads to what was opened and nowhere else. */
static bool attach_by_name(const struct options *options, int fuse, int mountpoint,
                           const char *path, struct mounted *mount) {
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", mountpoint);
	return direct_attach(options, fuse, S_IFDIR, link) &&
	       mounted_identify(mount, WAY_INSTALLED, path);
}

bool attach_mount(const struct options *options, int fuse, int mountpoint, const char *path,
                  struct mounted *mount) {
	privileges_raise();
	bool is_mounted = !EXT4BOX_WITHOUT_FSOPEN && attach(options, fuse, mountpoint, mount);
	if (!is_mounted && (EXT4BOX_WITHOUT_FSOPEN || errno == ENOSYS)) {
		is_mounted = attach_by_name(options, fuse, mountpoint, path, mount);
	}
	int error = errno;
	privileges_lower();
	if (!is_mounted) {
		report_failure(FAIL_MOUNT, error, "cannot mount on %s", path);
		return false;
	}
	mounted_open_controls(mount);
	return true;
}
