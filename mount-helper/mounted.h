#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "options.h"

/*
 * The mount we are answerable for. Its id and its device number are small integers that the kernel
 * gives out again once the mount is gone, perhaps for a mount of the next ext4box a moment later;
 * so before anything is unmounted three things must agree: id and device in the mount table, the
 * kernel's never-reused id (Linux 6.8) of what the path leads to, and that the table was never
 * seen without the mount since (a watch that works on every kernel).
 */
struct mounted {
	enum way way;
	unsigned id, major, minor;
	unsigned long long unique_id; /* 0: this kernel has none. */
	int watch;                    /* Poll for POLLPRI, then call mounted_refresh. */
	int abort;                    /* The connection's abort file, or -1. */
	int connection;               /* The directory it lies in, or -1. */
	bool is_gone;
};

/* Finds what was just mounted on this path. */
bool mounted_identify(struct mounted *mount, enum way way, const char *path);

/* The same from a descriptor of the mount, which may not be in the tree of names yet; with errno. */
bool mounted_know(struct mounted *mount, enum way way, int fd);

/* Then, by one who has the mounter's rights and no more: the id that is never reused. */
void mounted_know_unique(struct mounted *mount, const char *path);

/* Opens what the kernel offers the mounter for cutting the connection off, if it does. */
void mounted_open_controls(struct mounted *mount);

/* Starts watching anew, in a process that keeps a copy of its own. */
void mounted_watch(struct mounted *mount);
void mounted_refresh(struct mounted *mount);

enum unmounted { UNMOUNTED, UNMOUNT_BUSY, UNMOUNT_COVERED, UNMOUNT_UNKNOWN };

/*
 * Idempotent. COVERED: the path leads to something else now, which is not ours to touch. UNKNOWN: the
 * mount table can't be read (errno), so that nothing was done, and may be another time. On BUSY, said
 * (or NULL) takes the words of fusermount3.
 */
enum unmounted mounted_remove(struct mounted *mount, bool is_lazy, char *said, size_t size);

/* Whether the path leads to this mount and no other, as far as this kernel can say. */
bool mounted_leads_to(const struct mounted *mount, const char *path);

/* Id and device of the mount that an open file lies in; nobody's server is asked. False with errno. */
bool mounted_numbers(int fd, unsigned *id, unsigned *major, unsigned *minor);

/* Cuts the server off: it reads ENODEV and whoever uses the mount gets errors. */
bool mounted_abort(struct mounted *mount);

void mounted_close(struct mounted *mount);
