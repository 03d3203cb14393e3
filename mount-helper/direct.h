#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "options.h"

/* mount(2) and umount2(2), with the right to: as root, or in a namespace of our own. */

/* By a descriptor of /dev/fuse; false is reported, as failure for what mount(2) refuses. */
bool direct_mount(const struct options *options, int fuse, const char *mountpoint);

/* The call itself, for who has looked at the directory; false with errno. */
bool direct_attach(const struct options *options, int fuse, mode_t rootmode, const char *path);

bool direct_unmount(const char *mountpoint, bool is_lazy);
