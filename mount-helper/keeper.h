#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "server.h"

/*
 * Between the supervisor and a server with an id of its own. The supervisor, having no rights but its
 * caller's, could not kill the server; nor would the kernel do it at the supervisor's death, for that
 * signal, too, needs the right to send it. The keeper has the server's id and no rights either. It
 * holds the end of a pipe: when the other end closes, which only the supervisor has, the keeper kills
 * the server; when the keeper dies the kernel does. It ends as the server ends, and reads nothing.
 */

struct kept {
	pid_t keeper, server;
	int line; /* The end to be closed. */
};

/*
 * Starts both. Gives up privileges, here as in the keeper, which holds slot open until the server has
 * ended. False with errno.
 */
bool keeper_start(const struct server *server, int slot, struct kept *kept);
