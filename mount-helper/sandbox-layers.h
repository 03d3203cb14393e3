#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sandbox.h"

/* The layers, one file each. False leaves the reason in problem. */

struct problem {
	char text[256];
};

/* "STEP: errno's words"; returns false. */
bool problem_set(struct problem *problem, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* sandbox-libraries.c: the program interpreter of this file and what it would load, as files. */
bool sandbox_add_libraries(struct sandbox *sandbox, const char *program, struct problem *problem);
bool sandbox_add_file(struct sandbox *sandbox, const char *path, struct problem *problem);

/* sandbox-namespaces.c */
pid_t sandbox_clone(struct sandbox *sandbox);
/* What is left to do in the child, of START_IDENTITY. Where that is denied, nothing has happened. */
void sandbox_unshare_rest(struct sandbox *sandbox);
/* Maps the one id that is left: number to the same number. proc: an open /proc/self. */
bool sandbox_map_ids(int proc, uid_t uid, gid_t gid, struct problem *problem);

/* sandbox-root.c: an empty root with the files, and the old one gone. */
bool sandbox_make_root(const struct sandbox *sandbox, struct problem *problem);
/* Whether this mount namespace, ours alone, lets us mount. Leaves it private and nothing else. */
bool sandbox_try_mount(struct problem *problem);

/* sandbox-privileges.c */
bool sandbox_change_id(uid_t uid, gid_t gid, struct problem *problem);
bool sandbox_drop_capabilities(bool *is_bounding_empty, struct problem *problem);
bool sandbox_set_limits(struct problem *problem);

/* sandbox-landlock.c: reading and executing the files, nothing else. Returns the ABI, or 0. */
int sandbox_landlock(const struct sandbox *sandbox, struct problem *problem);

/* sandbox-seccomp.c: the first step, what Node needs to start. */
bool sandbox_seccomp(struct problem *problem);
