#pragma once

#include <stdbool.h>

#include "mounted.h"
#include "options.h"

/*
 * Mounts on a directory that is open already, by its descriptor, with root's rights.
 *
 * The options are set one by one with fsconfig(2), a name and a value each: no text of the caller's
 * is ever joined with another's, so that there is nothing a comma could break out of. Where the
 * kernel has no such calls (before Linux 5.2), mount(2) gets numbers and fixed words alone.
 */

/* In *mount what was mounted; false is reported. */
bool attach_mount(const struct options *options, int fuse, int mountpoint, const char *path,
                  struct mounted *mount);
