#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "grant.h"
#include "mounted.h"
#include "options.h"
#include "policy.h"
#include "watchdog.h"

/*
 * One mount from its making to its end.
 *
 *   starting ──R──► serving ──signal, COMMAND's end──► stopping
 *      │               │ server's end                     │ server's end
 *      └───────────────┴──────────────► ended ◄───────────┘
 *
 *   starting: mounted, the sentinel watches, the server opens the image; nobody was told yet.
 *   serving:  told; a daemon has left the terminal, `run` has started COMMAND.
 *   stopping: unmounted, at least from the tree of names; the server commits and reads ENODEV.
 *   ended:    the server is gone; what is left of the mount is taken away. In `run`, COMMAND may
 *             still be there, without its mount.
 */
enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_STOPPING, PHASE_ENDED };

struct session {
	const struct options *options;
	struct options permitted;      /* They, as the policy has changed them. */
	struct policy policy;          /* Of an installed helper; else all is permitted. */
	struct grant grant;
	char mountpoint[PATH_MAX];
	struct mounted mount;
	enum phase phase;
	bool was_ready;
	bool is_hung; /* The server was cut off because it did not answer. */
	struct watchdog watchdog;
	pid_t server, sentinel, command; /* 0: not there. */
	pid_t serving;       /* The server itself; `server`, which is waited for, may be its keeper. */
	pid_t syncer;        /* Has the kernel write out a mount that is in use, before it is cut off. */
	int sentinel_restarts;
	int directory;       /* To be mounted on, where an installed helper has opened it. */
	int image, fuse;     /* Closed once the server has them. The image may be a loop device by then. */
	bool stays_with_caller; /* Ends when the process that started it does: */
	pid_t caller;
	int front;           /* Daemon: the process that waits in our caller's terminal. */
	int signals;         /* signalfd. */
	int status, words;   /* Pipes from the server. */
	unsigned char last_word; /* The last byte of what was passed on from it. */
	int stop;            /* A pipe to a server that writes: its end tells it to end. */
	int line;            /* To the keeper, who kills the server when it is closed; or -1. */
	int slot;            /* For the keeper: this mount's part of what its user may have. */
	int lifeline[2];
	long long abort_at, kill_at; /* 0: never. */
	int commits_waited;  /* How often kill_at was put off. */
	int exit_status;
	int verdict; /* The server's exit status, for whoever has unmounted it; 0: nothing to be told. */
};

/* Makes the mount, starts the server, and stays until all is gone. Returns the exit status. */
int session_run(const struct options *options);

/* Forks another sentinel, in place of one that has died. */
bool session_restart_sentinel(struct session *session);
