#pragma once

#include <limits.h>
#include <stdbool.h>

/*
 * The directory to mount on, when we are privileged: opened once, with the caller's rights, then
 * only used by its descriptor. Whatever is done to the path meanwhile leads nowhere else.
 */

/*
 * Returns the descriptor (O_PATH), or -1, which is reported. path gets the place as it was when
 * opened, PATH_MAX bytes. Refused is what the caller may not write to, what is somebody else's in a
 * sticky directory's way, what belongs to the system, and what lies on a file system that is not
 * meant for directories of users.
 */
int mountpoint_open(const char *given, char path[PATH_MAX]);
