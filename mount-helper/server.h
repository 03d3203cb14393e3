#pragma once

#include <sys/types.h>

#include "grant.h"
#include "identity.h"
#include "options.h"

/* What a server is started with. */
struct server {
	const struct options *options;
	const struct grant *grant;
	unsigned device_minor; /* Of its mount. */
	/* Descriptors as its contract numbers them. */
	int input;  /* 0: /dev/null; of a server that writes, a pipe whose end tells it to end. */
	int status; /* 1: takes one byte, R. */
	int words;  /* 2: what it has to say. */
	int fuse;   /* 3 */
	int image;  /* 4 */
};

/*
 * Starts it in a session of its own; it is killed when we end. With an identity, which the parent
 * must grant then, it runs under that id; without (NULL), as we do. -1 with errno.
 */
pid_t server_start(const struct server *server, const struct identity *identity);
