#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "privileges.h"
#include "process.h"
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

static bool map_own_ids(const struct sandbox *sandbox, struct problem *problem) {
	/* A set-id program's /proc entries belong to root. */
	prctl(PR_SET_DUMPABLE, 1);
	int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool is_mapped = sandbox_map_ids(proc, sandbox->uid, sandbox->gid, problem);
	fd_close(&proc);
	return is_mapped;
}

/* In the child: whether the rights that came with its namespaces are there. */
static bool try_inside(const struct sandbox *sandbox, struct problem *problem) {
	return (sandbox->start != START_USER || map_own_ids(sandbox, problem)) &&
	       sandbox_try_mount(problem);
}

static bool hear_of(pid_t child, int told, struct problem *problem) {
	struct problem inside;
	ssize_t got;
	int status;
	do {
		got = read(told, &inside, sizeof inside);
	} while (got < 0 && errno == EINTR);
	if (got == (ssize_t)sizeof inside && inside.text[0] == 0) {
		return true;
	}
	waitpid(child, &status, 0);
	if (got == (ssize_t)sizeof inside) {
		problem_set(problem, 0, "there are no rights in one: %.200s", inside.text);
	} else {
		problem_set(problem, 0, "what was started in one has ended");
	}
	return false;
}

/*
 * As clone, but a child that is denied what it was made for ends, and -1 is returned. Some machines
 * let everybody make a user namespace and give no rights in it (AppArmor, from Ubuntu 23.10 on; a
 * container's profile), which shows only inside.
 */
static pid_t clone_tried(const struct sandbox *sandbox, unsigned long flags,
                         struct problem *problem) {
	int told[2];
	if (!pipe_raised(told)) {
		problem_set(problem, errno, "pipe");
		return -1;
	}
	pid_t pid = clone_into(flags);
	if (pid == 0) {
		struct problem inside = {""};
		close(told[0]);
		bool is_permitted = try_inside(sandbox, &inside);
		if (write(told[1], &inside, sizeof inside) != (ssize_t)sizeof inside || !is_permitted) {
			_exit(1);
		}
		close(told[1]);
		return 0;
	}
	if (pid < 0) {
		problem_set(problem, errno, "none can be made");
	}
	close(told[1]);
	bool is_permitted = pid > 0 && hear_of(pid, told[0], problem);
	close(told[0]);
	return is_permitted ? pid : -1;
}

static void go_without(struct sandbox *sandbox, const char *what, const struct problem *problem) {
	sandbox->has_namespaces = false;
	snprintf(sandbox->namespaces_problem, sizeof sandbox->namespaces_problem, "%s: %.200s", what,
	         problem->text);
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
	struct problem problem;
	sandbox->has_namespaces = true;
	if (sandbox->start == START_IDENTITY) {
		return clone_for_identity(sandbox);
	}
	if (sandbox->start == START_ROOT) {
		pid_t pid = clone_tried(sandbox, filled | CLONE_NEWPID, &problem);
		if (pid >= 0) {
			return pid;
		}
	}
	/* Root of a container, too, may lack the right above, and make a user namespace. */
	enum sandbox_start start = sandbox->start;
	sandbox->has_user = true;
	sandbox->start = START_USER;
	pid_t pid = clone_tried(sandbox, filled | CLONE_NEWPID | CLONE_NEWUSER, &problem);
	if (pid >= 0) {
		return pid;
	}
	sandbox->has_user = false;
	sandbox->start = start;
	go_without(sandbox, "user namespaces", &problem);
	return fork();
}

void sandbox_unshare_rest(struct sandbox *sandbox) {
	struct problem problem;
	int status;
	/* There would be no way back, and no going on with the old root. */
	pid_t probe = clone_tried(sandbox, CLONE_NEWNS, &problem);
	if (probe == 0) {
		_exit(0);
	}
	if (probe < 0) {
		go_without(sandbox, "mount namespaces", &problem);
		return;
	}
	waitpid(probe, &status, 0);
	if (unshare(filled) != 0) {
		problem_set(&problem, errno, "unshare");
		go_without(sandbox, "namespaces", &problem);
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
