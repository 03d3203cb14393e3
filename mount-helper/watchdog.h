#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "mounted.h"

/*
 * Finds a server that does not answer. docs/decisions/watchdog.md has the reasons.
 *
 *   resting ──someone waits──► asking ──answered──► resting
 *      ▲ nobody waits │           │ silent for too long
 *      └──────────────┘           ▼
 *                               hung
 *
 *   resting: looked at a few times within the limit: does the kernel say that a request waits?
 *   asking:  a child has asked the mount something that is never answered from a cache; it may hang,
 *            and is left to.
 *
 * Silence is counted while the server does not answer and could: not while it waits for a disk, not
 * while it gets no CPU, not while we do not run ourselves, and not while it says by a byte that it
 * is at work on something long, for some time.
 */
struct watchdog {
	long long limit_ms; /* 0: off. */
	pid_t server;
	pid_t asker; /* 0: nobody asks. */
	int beats;   /* The pipe that the server's bytes come from; they are counted, not read. */
	long long next_ms, looked_ms;
	long long silent_ms; /* Since the question, or the last byte. */
	long long busy_ms;   /* Since the question, whatever bytes came. */
	long long cpu_ms;
	bool is_counting;
};

/* Takes over `beats`, a descriptor that does not block, or -1. */
void watchdog_start(struct watchdog *dog, unsigned limit_s, pid_t server, int beats);

/* When watchdog_look is due, by now_ms(); 0: never. */
long long watchdog_due(const struct watchdog *dog);

/* Looks, if it is due. True: the server does not answer, and nothing suggests that it will. */
bool watchdog_look(struct watchdog *dog, const struct mounted *mount, const char *path);

/* A child has ended; false where it was none of the watchdog's. */
bool watchdog_reaped(struct watchdog *dog, pid_t pid, int status);

/* Whether the server waits for a disk, or has sent a byte since it was last asked for. */
bool watchdog_sees_work(struct watchdog *dog);

void watchdog_stop(struct watchdog *dog);
