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

unsigned identity_of(unsigned device_minor) {
	return SERVER_ID_BASE + (device_minor & (SERVER_ID_COUNT - 1));
}

bool identity_prepare(struct identity *identity, unsigned device_minor) {
	identity->id = identity_of(device_minor);
	identity->asked[0] = identity->asked[1] = identity->granted[0] = identity->granted[1] = -1;
	return pipe_raised(identity->asked) && pipe_raised(identity->granted);
}

/* One step's errno, 0 where it was done. False where the other end has gone. */
static bool tell(int fd, int error) {
	return write(fd, &error, sizeof error) == (ssize_t)sizeof error;
}

/* What the other end tells; ECHILD where it has gone. */
static int hear(int fd) {
	int error;
	ssize_t got;
	do {
		got = read(fd, &error, sizeof error);
	} while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof error ? error : ECHILD;
}

static bool take_id(unsigned id) {
	uid_t real, effective, saved;
	if (setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0 ||
	    getresuid(&real, &effective, &saved) != 0) {
		return false;
	}
	errno = EPERM;
	return real == id && effective == id && saved == id;
}

void identity_become(const struct identity *identity) {
	/* What is left open of these would keep us waiting for a parent that has died. */
	close(identity->asked[0]);
	close(identity->granted[1]);
	privileges_raise();
	/* What fails is told to the parent, who has no such rights: as root nothing is written to what the
	 * caller has opened. */
	int error = setgroups(0, NULL) == 0 && unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
	if (!tell(identity->asked[1], error) || error != 0 || hear(identity->granted[0]) != 0) {
		_exit(EXIT_IDENTITY);
	}
	/* Dumpable, so that /proc/self is its own, as for any program that this user starts. */
	error = take_id(identity->id) && prctl(PR_SET_DUMPABLE, 1) == 0 &&
	                prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
	            ? 0
	            : errno;
	if (!tell(identity->asked[1], error) || error != 0) {
		_exit(EXIT_IDENTITY);
	}
	privileges_forget();
}

static bool write_to(pid_t child, const char *file, const char *text) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)child, file);
	return text_write(path, text);
}

static bool grant(unsigned id, pid_t child) {
	char line[64];
	snprintf(line, sizeof line, "%u %u 1\n", id, id);
	privileges_raise();
	bool is_granted = write_to(child, "setgroups", "deny") && write_to(child, "gid_map", line) &&
	                  write_to(child, "uid_map", line) && setgroups(0, NULL) == 0 && take_id(id) &&
	                  privileges_clear_capabilities();
	privileges_forget();
	return is_granted;
}

bool identity_grant(struct identity *identity, pid_t child) {
	fd_close(&identity->asked[1]);
	fd_close(&identity->granted[0]);
	/* The child is ours and not reaped: its number can't be another's. */
	int error = hear(identity->asked[0]);
	if (error == 0) {
		error = grant(identity->id, child) ? 0 : errno;
	}
	if (error == 0) {
		error = tell(identity->granted[1], 0) ? hear(identity->asked[0]) : errno;
	}
	fd_close(&identity->asked[0]);
	fd_close(&identity->granted[1]);
	errno = error;
	return error == 0;
}
