#pragma once

#include <sys/types.h>

#include "mounted.h"

/*
 * A process that does nothing until its supervisor is gone, however that ends; then it takes the
 * mount away, should it still be there, and ends. It learns of the end from a pipe, the lifeline:
 * the supervisor alone holds the writing end.
 */

/* temporary: an empty directory to remove last, or NULL. -1 with errno. */
pid_t sentinel_start(const struct mounted *mount, const char *temporary, const int lifeline[2]);
