#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox-layers.h"

bool sandbox_change_id(uid_t uid, gid_t gid, struct problem *problem) {
	/* EINVAL where the id does not exist; the first of them finds it out. */
	if (setresgid(gid, gid, gid) != 0 || setgroups(0, NULL) != 0 || setresuid(uid, uid, uid) != 0) {
		int error = errno;
		problem_set(problem, error, "changing to user %u", uid);
		errno = error;
		return false;
	}
	/* Changing ids has made us, and /proc/self, root's. */
	return prctl(PR_SET_DUMPABLE, 1) == 0 || problem_set(problem, errno, "PR_SET_DUMPABLE");
}

bool sandbox_drop_capabilities(bool *is_bounding_empty, struct problem *problem) {
	*is_bounding_empty = true;
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
		if (prctl(PR_CAPBSET_DROP, capability) != 0) {
			*is_bounding_empty = false; /* An ordinary user outside of any user namespace. */
		}
	}
	/* Root's number inside is worth nothing: neither at execve nor at a change of ids. */
	if (*is_bounding_empty &&
	    prctl(PR_SET_SECUREBITS,
	          SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
	              SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
	              SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED) != 0) {
		return problem_set(problem, errno, "securebits");
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
	memset(none, 0, sizeof none);
	if (syscall(SYS_capset, &header, none) != 0) {
		return problem_set(problem, errno, "capset");
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ||
	       problem_set(problem, errno, "no_new_privs");
}

/*
 * Not the address space: V8 reserves cages of gigabytes that it never touches. What it may write
 * to counts as data: ../docs/decisions/sandbox.md has the figures. Files and processes are limited
 * further once Node runs.
 */
bool sandbox_set_limits(struct problem *problem) {
	static const struct {
		int resource;
		rlim_t value;
	} limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_DATA, 1536ul << 20},
		{RLIMIT_NOFILE, 64},
		{RLIMIT_MEMLOCK, 0},
		{RLIMIT_MSGQUEUE, 0},
		{RLIMIT_NICE, 0},
		{RLIMIT_RTPRIO, 0},
	};
	for (size_t index = 0; index < sizeof limits / sizeof limits[0]; index++) {
		struct rlimit limit;
		if (getrlimit(limits[index].resource, &limit) != 0) {
			return problem_set(problem, errno, "getrlimit");
		}
		/* Never more than the caller's own. */
		limit.rlim_max = limits[index].value < limit.rlim_max ? limits[index].value : limit.rlim_max;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(limits[index].resource, &limit) != 0) {
			return problem_set(problem, errno, "setrlimit");
		}
	}
	return true;
}
