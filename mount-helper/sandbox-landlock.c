/*
 * Landlock (kernel documentation, "Landlock: unprivileged access control"): of all paths, the
 * program's files can be read and executed. It holds where no namespace could be had, and is a
 * second wall where one could.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox-layers.h"

/* Numbers of the ABI, which old headers lack. */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, VERSION = 1, PATH_BENEATH = 1 };
enum { EXECUTE = 1 << 0, READ_FILE = 1 << 2, READ_DIR = 1 << 3 };

struct ruleset {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_beneath {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

/* Each version knows rights that the one before refuses to hear of. */
static struct ruleset everything(int abi, size_t *size) {
	static const uint64_t rights[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
	struct ruleset ruleset = {.handled_access_fs = rights[abi > 5 ? 5 : abi]};
	*size = sizeof ruleset.handled_access_fs;
	if (abi >= 4) {
		ruleset.handled_access_net = 3; /* Binding and connecting by TCP. */
		*size += sizeof ruleset.handled_access_net;
	}
	if (abi >= 6) {
		ruleset.scoped = 3; /* Abstract sockets and signals: none out of here. */
		*size += sizeof ruleset.scoped;
	}
	return ruleset;
}

static bool allow(int ruleset, const char *path, struct problem *problem) {
	struct stat facts;
	struct path_beneath rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
	if (rule.parent_fd < 0 || fstat(rule.parent_fd, &facts) != 0) {
		return problem_set(problem, errno, "%s", path);
	}
	rule.allowed_access = EXECUTE | READ_FILE | (S_ISDIR(facts.st_mode) ? READ_DIR : 0);
	long result = syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0);
	int error = errno;
	close(rule.parent_fd);
	return result == 0 || problem_set(problem, error, "rule for %s", path);
}

static bool allow_files(const struct sandbox *sandbox, int ruleset, struct problem *problem) {
	if (sandbox->has_root) {
		return allow(ruleset, "/", problem);
	}
	for (int index = 0; index < sandbox->file_count; index++) {
		if (!allow(ruleset, sandbox->files[index].source, problem)) {
			return false;
		}
	}
	/* In the place of openssl.cnf; see server.c. */
	return allow(ruleset, "/dev/null", problem);
}

int sandbox_landlock(const struct sandbox *sandbox, struct problem *problem) {
	int abi = (int)syscall(CREATE_RULESET, NULL, 0, VERSION);
	if (abi < 1) {
		problem_set(problem, errno, "not in this kernel, or switched off");
		return 0;
	}
	size_t size;
	struct ruleset wanted = everything(abi, &size);
	int ruleset = (int)syscall(CREATE_RULESET, &wanted, size, 0);
	if (ruleset < 0) {
		problem_set(problem, errno, "ruleset");
		return 0;
	}
	bool is_done = allow_files(sandbox, ruleset, problem);
	if (is_done && syscall(RESTRICT_SELF, ruleset, 0) != 0) {
		is_done = problem_set(problem, errno, "landlock_restrict_self");
	}
	close(ruleset);
	return is_done ? abi : 0;
}
