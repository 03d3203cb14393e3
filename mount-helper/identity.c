#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "privileges.h"
#include "process.h"

enum { EXIT_IDENTITY = 125 };

bool identity_is_reserved(unsigned id) {
	return id >= SERVER_ID_BASE && id < SERVER_ID_BASE + SERVER_ID_COUNT;
}

bool identity_prepare(struct identity *identity, unsigned device_minor) {
	identity->id = SERVER_ID_BASE + (device_minor & (SERVER_ID_COUNT - 1));
	identity->asked[0] = identity->asked[1] = identity->granted[0] = identity->granted[1] = -1;
	return pipe_raised(identity->asked) && pipe_raised(identity->granted);
}

static bool read_byte(int fd) {
	char byte;
	ssize_t got;
	do {
		got = read(fd, &byte, 1);
	} while (got < 0 && errno == EINTR);
	return got == 1;
}

static bool take_id(unsigned id) {
	uid_t real, effective, saved;
	return setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0 &&
	       getresuid(&real, &effective, &saved) == 0 && real == id && effective == id && saved == id;
}

void identity_become(const struct identity *identity) {
	/* What is left open of these would keep us waiting for a parent that has died. */
	close(identity->asked[0]);
	close(identity->granted[1]);
	privileges_raise();
	if (setgroups(0, NULL) != 0 || unshare(CLONE_NEWUSER) != 0 ||
	    write(identity->asked[1], "", 1) != 1 || !read_byte(identity->granted[0]) ||
	    !take_id(identity->id)) {
		dprintf(STDERR_FILENO, "ext4box: cannot give the server an id of its own: %s\n",
		        strerror(errno));
		_exit(EXIT_IDENTITY);
	}
	privileges_forget();
	/* So that /proc/self is its own, as for any program that this user starts. */
	if (prctl(PR_SET_DUMPABLE, 1) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		_exit(EXIT_IDENTITY);
	}
}

static bool write_to(pid_t child, const char *file, const char *text) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)child, file);
	return text_write(path, text);
}

bool identity_grant(struct identity *identity, pid_t child) {
	char line[64];
	snprintf(line, sizeof line, "%u %u 1\n", identity->id, identity->id);
	fd_close(&identity->asked[1]);
	fd_close(&identity->granted[0]);
	/* The child is ours and not reaped: its number can't be another's. */
	bool is_granted = read_byte(identity->asked[0]);
	if (is_granted) {
		privileges_raise();
		is_granted = write_to(child, "setgroups", "deny") && write_to(child, "gid_map", line) &&
		             write_to(child, "uid_map", line);
		is_granted = is_granted && setgroups(0, NULL) == 0 && take_id(identity->id) &&
		             privileges_clear_capabilities();
		privileges_forget();
	}
	is_granted = is_granted && write(identity->granted[1], "", 1) == 1;
	int error = errno;
	fd_close(&identity->asked[0]);
	fd_close(&identity->granted[1]);
	errno = error;
	return is_granted;
}
