#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "mounted.h"

/*
 * A process that does nothing until its supervisor is gone, however that ends; then it takes the
 * mount away, should it still be there, and ends. It learns of the end from a pipe, the lifeline:
 * the supervisor alone holds the writing end, and fusermount3 while it mounts.
 *
 * It is started before the mount is made, and told of it through the same pipe. A supervisor that
 * dies between the two leaves a mount that nobody has identified: then what is newly mounted on
 * the mountpoint, and of our type, is it.
 */

/* What is to be watched, and how. */
struct charge {
	enum way way;
	const char *mountpoint; /* Absolute, free of symbolic links. */
	bool is_temporary;      /* The mountpoint is an empty directory, to be removed last. */
};

/* -1 with errno. */
pid_t sentinel_start(const struct charge *charge, const int lifeline[2]);

/* Tells it which mount is meant; one that is gone: none. */
bool sentinel_tell(const struct mounted *mount, const int lifeline[2]);
