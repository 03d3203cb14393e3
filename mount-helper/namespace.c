#include "namespace.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "process.h"
#include "report.h"

static bool map_to_itself(const char *path, unsigned id) {
	char line[64];
	snprintf(line, sizeof line, "%u %u 1\n", id, id);
	return text_write(path, line);
}

static bool failed(const char *step) {
	report_failure(FAIL_NAMESPACE, errno, "%s", step);
	return false;
}

bool namespace_enter(void) {
	unsigned uid = getuid();
	unsigned gid = getgid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
		return failed("cannot make a user namespace");
	}
	/* Without this an ordinary user may not write gid_map: groups could be shed, and with them
	 * what a mode denies to a group. */
	if (!text_write("/proc/self/setgroups", "deny") && errno != ENOENT) {
		return failed("cannot write setgroups of the user namespace");
	}
	if (!map_to_itself("/proc/self/uid_map", uid)) {
		return failed("cannot map the user id into the user namespace");
	}
	if (!map_to_itself("/proc/self/gid_map", gid)) {
		return failed("cannot map the group id into the user namespace");
	}
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		return failed("cannot make the mounts of the namespace private");
	}
	return true;
}
