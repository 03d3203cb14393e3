#pragma once

#include <limits.h>
#include <stdbool.h>

/* /proc/self/mountinfo, read line by line; proc_pid_mountinfo(5). */

#define EXT4BOX_TYPE "fuse.ext4box"

struct mountinfo {
	unsigned id;
	unsigned major;
	unsigned minor;
	bool is_ext4box;
	char path[PATH_MAX]; /* Escapes decoded. */
};

/* One line; false when it is not understood or the path is too long. Changes the line. */
bool mountinfo_parse(char *line, struct mountinfo *mount);

/* The uppermost mount at this very path. */
bool mountinfo_at(const char *path, struct mountinfo *mount);

/* The mount with this id and device; *is_covered when another lies on the same path above it. */
bool mountinfo_find(unsigned id, unsigned major, unsigned minor, struct mountinfo *mount,
                    bool *is_covered);
