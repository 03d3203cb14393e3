#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * The calls of a keeper that waits, and no other: it may read, poll, wait, end, and signal the server and
 * itself. All else is EPERM. Needs no_new_privs. False with errno.
 */
bool keeper_filter(pid_t server);
