#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privileges.h"
#include "sandbox-layers.h"

/*
 * One clone, so that the server is the first process of its pid namespace and still our child.
 * START_USER: in a user namespace from the start. START_ROOT: its files may lie where only the
 * machine's root can go, so root builds the server's root first and makes the user namespace after
 * (leave_root_id in sandbox.c). START_IDENTITY: a pid namespace is all that must come from clone;
 * the others are made in the child's own user namespace.
 */
static const unsigned long filled = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                                    CLONE_NEWCGROUP;

/* As fork: no stack of its own. glibc's wrapper wants one. */
static pid_t clone_into(unsigned long flags) {
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static pid_t clone_for_identity(struct sandbox *sandbox) {
	privileges_raise();
	pid_t pid = clone_into(CLONE_NEWPID);
	if (pid != 0) {
		int error = errno;
		privileges_lower();
		errno = error;
	}
	sandbox->has_user = true;
	return pid;
}

pid_t sandbox_clone(struct sandbox *sandbox) {
	sandbox->has_namespaces = true;
	if (sandbox->start == START_IDENTITY) {
		return clone_for_identity(sandbox);
	}
	if (sandbox->start == START_ROOT) {
		pid_t pid = clone_into(filled | CLONE_NEWPID);
		if (pid >= 0) {
			return pid;
		}
	}
	/* Root of a container, too, may lack the right above, and make a user namespace. */
	enum sandbox_start start = sandbox->start;
	sandbox->has_user = true;
	sandbox->start = START_USER;
	pid_t pid = clone_into(filled | CLONE_NEWPID | CLONE_NEWUSER);
	if (pid >= 0) {
		return pid;
	}
	sandbox->has_user = sandbox->has_namespaces = false;
	sandbox->start = start;
	snprintf(sandbox->namespaces_problem, sizeof sandbox->namespaces_problem,
	         "a user namespace cannot be made: %s", strerror(errno));
	return fork();
}

void sandbox_unshare_rest(struct sandbox *sandbox) {
	if (unshare(filled) != 0) {
		sandbox->has_namespaces = false;
		snprintf(sandbox->namespaces_problem, sizeof sandbox->namespaces_problem, "unshare: %s",
		         strerror(errno));
	}
}

static bool write_at(int directory, const char *name, const char *text) {
	int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	ssize_t length = (ssize_t)strlen(text);
	bool is_written = write(fd, text, (size_t)length) == length;
	int error = errno;
	close(fd);
	errno = error;
	return is_written;
}

bool sandbox_map_ids(int proc, uid_t uid, gid_t gid, struct problem *problem) {
	char line[64];
	/* Without this gid_map may not be written; groups could be shed, and what they are denied. */
	if (!write_at(proc, "setgroups", "deny")) {
		return problem_set(problem, errno, "setgroups");
	}
	snprintf(line, sizeof line, "%u %u 1\n", uid, uid);
	if (!write_at(proc, "uid_map", line)) {
		return problem_set(problem, errno, "uid_map");
	}
	snprintf(line, sizeof line, "%u %u 1\n", gid, gid);
	if (!write_at(proc, "gid_map", line)) {
		return problem_set(problem, errno, "gid_map");
	}
	return true;
}
