#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "options.h"

/*
 * What stands around the server besides its language, from the strongest that the machine allows.
 * What could be had, and why not what could not, is told to the server in its environment; it adds
 * its own layers, tries to get out, and decides whether that is enough to serve. README.md,
 * "The sandbox"; ../docs/decisions/sandbox.md has the reasons.
 */

enum { SANDBOX_FILES_MAX = 64, SANDBOX_REPORT_MAX = 4096, SANDBOX_LIBRARY_PATH_MAX = 4096 };

/* Who starts the server, which decides in what order it gets where. */
enum sandbox_start {
	START_USER,     /* No privileges: everything comes with a user namespace. */
	START_ROOT,     /* The machine's root, or a container's: the user namespace comes last. */
	START_IDENTITY, /* An installed helper: the id and the user namespace come first. */
};

/* A file or directory of the program, at the same path inside as outside. */
struct sandbox_file {
	char *path;   /* As the program, or its loader, asks for it. */
	char *source; /* The same, free of symbolic links. */
};

struct sandbox {
	enum sandbox_level level;
	struct sandbox_file files[SANDBOX_FILES_MAX];
	int file_count;
	char library_path[SANDBOX_LIBRARY_PATH_MAX]; /* LD_LIBRARY_PATH inside; there is no cache. */
	enum sandbox_start start;
	bool has_user;       /* In a user namespace of its own. */
	bool has_namespaces; /* In mount, pid, network, ipc, uts and cgroup namespaces. */
	bool has_root;
	unsigned own_id; /* What root's server is to run as. */
	uid_t uid; /* Whose process it was before it was in a user namespace. */
	gid_t gid;
	char namespaces_problem[256]; /* Empty: made. */
	char report[SANDBOX_REPORT_MAX];
};

/* device_minor: of the mount. has_identity: the child gets an id and a user namespace of its own by identity_become. */
void sandbox_prepare(struct sandbox *sandbox, const struct options *options, unsigned device_minor,
                     bool has_identity);

/* As fork(2), into namespaces where they can be had. */
pid_t sandbox_fork(struct sandbox *sandbox);

/*
 * In the child, descriptors in their places: everything that lasts over execve. False with a line
 * on stderr when a step that must not be left out has failed. Nothing but execve may follow.
 */
bool sandbox_enter(struct sandbox *sandbox, const struct options *options);
