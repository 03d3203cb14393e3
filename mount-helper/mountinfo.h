#pragma once

#include <limits.h>
#include <stdbool.h>

/* /proc/self/mountinfo, read line by line; proc_pid_mountinfo(5). */

/* The types that a mount of ours may bear, after "fuse."; the first is what it bears unless another
 * is asked for. Fixed words: what a mount table shows is not for a caller to write. NULL: no such one. */
const char *mountinfo_subtype(const char *name);

struct mountinfo {
	unsigned id;
	unsigned parent; /* Id of the mount that it is mounted in. */
	unsigned major;
	unsigned minor;
	bool is_ext4box;     /* By its type, which fuse2fs's mounts may bear as well. */
	bool has_user;       /* The kernel says who has mounted it: */
	unsigned user;       /* FUSE's user_id. */
	char path[PATH_MAX]; /* Escapes decoded; empty where it is longer: directories above can be moved. */
};

/* One line; false when it is not understood. Changes the line. */
bool mountinfo_parse(char *line, struct mountinfo *mount);

/*
 * How many of our types this user has mounted; false when the table could not be read to its end. What
 * fuse2fs calls fuse.ext4 is among them: were such a mount ours by its supervisor alone, its user could
 * leave as many dead ones as he likes.
 */
bool mountinfo_count(unsigned user, unsigned *count);

/* A table that can't be read to its end, with errno, says of no mount that it is not there. */
enum lookup { LOOKUP_FOUND, LOOKUP_ABSENT, LOOKUP_UNREADABLE };

/* The uppermost mount at this very path. */
enum lookup mountinfo_at(const char *path, struct mountinfo *mount);

/* The mount with this id and device; *is_covered when another lies on the same path above it. */
enum lookup mountinfo_find(unsigned id, unsigned major, unsigned minor, struct mountinfo *mount,
                           bool *is_covered);
