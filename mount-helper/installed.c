#include "installed.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* One step of a path. A symbolic link would be a second way in, with steps that nobody looked at. */
static bool is_step_safe(const char *path, mode_t wanted, char *message, int size) {
	struct stat facts;
	if (lstat(path, &facts) != 0) {
		snprintf(message, (size_t)size, "%s: %s", path, strerror(errno));
		return false;
	}
	if ((facts.st_mode & S_IFMT) != wanted) {
		snprintf(message, (size_t)size, "%s is not a %s", path,
		         wanted == S_IFDIR ? "directory" : "regular file");
		return false;
	}
	if (facts.st_uid != 0) {
		snprintf(message, (size_t)size, "%s belongs to uid %u, not to root", path,
		         (unsigned)facts.st_uid);
		return false;
	}
	/* An ACL that lets others write shows in the group's bits, which are its mask. */
	if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		snprintf(message, (size_t)size, "%s may be written to by others than root", path);
		return false;
	}
	return true;
}

bool installed_is_safe(const char *path, char *message, int size) {
	char step[PATH_MAX];
	size_t length = strlen(path);
	if (path[0] != '/' || length >= sizeof step) {
		snprintf(message, (size_t)size, "%.64s is not an absolute path", path);
		return false;
	}
	if (!is_step_safe("/", S_IFDIR, message, size)) {
		return false;
	}
	for (size_t at = 1; at <= length; at++) {
		if (path[at] == '/' || path[at] == 0) {
			memcpy(step, path, at);
			step[at] = 0;
			if (!is_step_safe(step, path[at] == 0 ? S_IFREG : S_IFDIR, message, size)) {
				return false;
			}
		}
	}
	return true;
}

bool installed_check_server(char *message, int size) {
	return installed_is_safe(INSTALLED_NODE, message, size) &&
	       installed_is_safe(INSTALLED_PROGRAM, message, size);
}

/* The same as nodeFlags in src/mount/launch.ts, which a test compares. */
static char *const fixed[] = {
	INSTALLED_NODE,         "--max-old-space-size=96", "--max-semi-space-size=2",
	"--disable-sigusr1",    "--disable-proto=delete",  "--disallow-code-generation-from-strings",
	INSTALLED_PROGRAM,
};

int installed_server_argv(char *config, bool is_strict, char *argv[INSTALLED_ARGC_MAX]) {
	enum { FIXED_COUNT = sizeof fixed / sizeof fixed[0] };
	_Static_assert(FIXED_COUNT + 3 <= INSTALLED_ARGC_MAX, "argv holds them all");
	int count = 0;
	argv[count++] = fixed[0];
	if (is_strict) {
		argv[count++] = "--jitless";
	}
	for (int index = 1; index < FIXED_COUNT; index++) {
		argv[count++] = fixed[index];
	}
	argv[count++] = config;
	argv[count] = NULL;
	return count;
}
