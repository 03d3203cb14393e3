#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The command line, checked. Strings point into argv; nothing is copied, nothing is freed. */

enum action { ACTION_MOUNT, ACTION_RUN, ACTION_UNMOUNT };
enum way { WAY_AUTO, WAY_FUSERMOUNT3, WAY_DIRECT, WAY_NAMESPACE, WAY_INSTALLED };
/* What a server has around it. PARTIAL is never asked for: it is what is left where a machine lacks
 * namespaces. Ordered. */
enum sandbox_level { SANDBOX_OFF, SANDBOX_PARTIAL, SANDBOX_NORMAL, SANDBOX_STRICT };

enum {
	FSNAME_MAX = 1024,       /* Bytes; it ends in every reader's mount table. */
	SERVER_ARGC_MAX = 64,
	SERVER_ARG_MAX = 64 * 1024,
	WATCHDOG_MAX = 86400,
	EXPOSE_MAX = 16,
};

struct options {
	enum action action;
	enum way way;
	const char *image;
	const char *mountpoint;
	const char *fsname;
	const char *subtype; /* One of mountinfo_subtype's. */
	int report_fd; /* -1: failures are told on stderr. */
	bool read_only;
	bool recover; /* With read_only: the image is opened for writing all the same. */
	bool foreground;
	bool allow_other;
	bool default_permissions;
	bool noexec;
	bool noatime;
	bool temporary; /* The mountpoint was made for this mount: remove the empty directory after. */
	bool enter;     /* run: COMMAND starts in the mount's root. */
	bool iomap;     /* The kernel is to move data itself, where it can. */
	bool loop;      /* The image, a file, is to be attached to a loop device in any case. */
	bool lazy;      /* unmount: detach although in use. */
	unsigned watchdog_s; /* Seconds without an answer after which a server is cut off; 0: never. */
	enum sandbox_level sandbox;         /* OFF where the option is not given. */
	enum sandbox_level require_sandbox; /* The server refuses to serve below it. */
	const char *expose[EXPOSE_MAX];     /* What the server may see besides its Node. */
	int expose_count;
	unsigned mount_id;
	unsigned device_major;
	unsigned device_minor;
	int server_argc;
	char **server; /* Within argv: not ended by NULL in `run`, where COMMAND follows. Of an installed
	                * helper: its own program's, and the caller's one argument. */
	char **command; /* Ended by NULL; NULL unless `run`. */
};

/* Fills *options. On wrong usage returns false with one line in message. */
bool options_parse(int argc, char **argv, struct options *options, char *message, size_t size);

/* Whether the server may write to the image. */
bool options_writes(const struct options *options);

const char *way_name(enum way way);

/* Between a level and its word; false where the word is none. */
bool level_parse(const char *word, enum sandbox_level *level);
const char *level_name(enum sandbox_level level);
