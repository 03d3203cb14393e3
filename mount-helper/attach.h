#pragma once

#include "mounted.h"
#include "options.h"

/*
 * Mounts on a directory that is open already, by its descriptor, with root's rights.
 *
 * The options are set one by one with fsconfig(2), a name and a value each: no text of the caller's
 * is ever joined with another's, so that there is nothing a comma could break out of. Where the
 * kernel has no such calls (before Linux 5.2), mount(2) gets numbers and fixed words alone.
 */

/* Returns the descriptor of /dev/fuse, and in *mount what was mounted; -1 is reported. */
int attach_mount(const struct options *options, int mountpoint, const char *path,
                 struct mounted *mount);
