#pragma once

#include <stdbool.h>

#include "options.h"

/* mount(2) and umount2(2), with the right to: as root, or in a namespace of our own. */

/* Returns the descriptor of /dev/fuse; -1 is reported, as failure for what mount(2) refuses. */
int direct_mount(const struct options *options, const char *mountpoint);

bool direct_unmount(const char *mountpoint, bool is_lazy);
