#pragma once

#include <sys/types.h>

#include "options.h"
#include "server.h"

/*
 * Between the supervisor and a server with an id of its own, which the supervisor, having no rights
 * but its caller's, could not kill: the kernel kills the server when the keeper dies, and that is the
 * caller's process. It ends as the server ends, holds no descriptor, and reads nothing.
 */

/*
 * Starts keeper and server; *server gets the latter's process id. Gives up privileges, here as in
 * the keeper. -1 with errno.
 */
pid_t keeper_start(const struct options *options, const struct server_fds *fds,
                   unsigned device_minor, pid_t *server);
