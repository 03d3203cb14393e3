#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

/* fusermount3, the distribution's setuid program: by absolute path, with an environment of ours. */

bool fusermount_exists(void);

/*
 * Mounts and receives the descriptor of /dev/fuse; -1 is reported. fusermount3 holds a copy of
 * lifeline: should we be killed, the sentinel waits for the mount that is still in the making.
 */
int fusermount_mount(const struct options *options, const char *mountpoint, int lifeline);

/* Its words on failure go to said, which may be NULL. */
bool fusermount_unmount(const char *mountpoint, bool is_lazy, char *said, size_t size);
