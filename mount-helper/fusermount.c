#include "fusermount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process.h"
#include "program.h"
#include "report.h"

#ifndef FUSERMOUNT3_PATHS
#define FUSERMOUNT3_PATHS \
	"/usr/bin/fusermount3", "/bin/fusermount3", "/usr/local/bin/fusermount3", \
		"/run/wrappers/bin/fusermount3"
#endif

static const char *const candidates[] = {FUSERMOUNT3_PATHS};

enum { PATIENCE_MS = 30000 /* It stats the mountpoint, which may lie on a slow file system. */ };

static const char *fusermount_path(void) {
	for (size_t index = 0; index < sizeof candidates / sizeof candidates[0]; index++) {
		if (access(candidates[index], X_OK) == 0) {
			return candidates[index];
		}
	}
	return NULL;
}

bool fusermount_exists(void) {
	return fusermount_path() != NULL;
}

static bool append(char *to, size_t size, const char *text) {
	size_t length = strlen(to);
	size_t more = strlen(text);
	if (length + more >= size) {
		return false;
	}
	memcpy(to + length, text, more + 1);
	return true;
}

/* In an option's value fusermount3 takes a backslash before a comma and before a backslash. */
static bool append_escaped(char *to, size_t size, const char *text) {
	char piece[3];
	for (; *text != 0; text++) {
		bool is_special = *text == ',' || *text == '\\';
		piece[0] = is_special ? '\\' : *text;
		piece[1] = is_special ? *text : 0;
		piece[2] = 0;
		if (!append(to, size, piece)) {
			return false;
		}
	}
	return true;
}

static bool build_options(const struct options *options, char *text, size_t size) {
	text[0] = 0;
	return append(text, size, "nosuid,nodev,subtype=") &&
	       append(text, size, options->subtype) &&
	       append(text, size, options->read_only ? ",ro" : ",rw") &&
	       append(text, size, options->noexec ? ",noexec" : "") &&
	       append(text, size, options->noatime ? ",noatime" : "") &&
	       append(text, size, options->allow_other ? ",allow_other" : "") &&
	       append(text, size, options->default_permissions ? ",default_permissions" : "") &&
	       append(text, size, ",fsname=") && append_escaped(text, size, options->fsname);
}

/* The one byte and the descriptor that fusermount3 sends; -1 when it ends without. */
static int receive_descriptor(int comm) {
	struct pollfd wait = {.fd = comm, .events = POLLIN};
	if (poll(&wait, 1, PATIENCE_MS) != 1) {
		return -1;
	}
	char byte;
	union {
		struct cmsghdr header; /* For its alignment. */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec vector = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	ssize_t got;
	do {
		got = recvmsg(comm, &message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int))) {
		return -1;
	}
	int fd;
	memcpy(&fd, CMSG_DATA(header), sizeof fd);
	return fd_raise(fd);
}

int fusermount_mount(const struct options *options, const char *mountpoint, int lifeline) {
	const char *path = fusermount_path();
	if (path == NULL) {
		report_failure(FAIL_NO_FUSERMOUNT3, ENOENT, "fusermount3 is not installed");
		return -1;
	}
	char text[2 * FSNAME_MAX + 256];
	int comm[2];
	if (!build_options(options, text, sizeof text)) {
		report_failure(FAIL_INTERNAL, E2BIG, "mount options");
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, comm) != 0) {
		report_failure(FAIL_INTERNAL, errno, "socketpair");
		return -1;
	}
	/* Descriptor 3 is where program_start puts its end of the socket pair. */
	static char *const environment[] = {"PATH=/usr/bin:/bin", "_FUSE_COMMFD=3", NULL};
	char *const argv[] = {(char *)path, "-o", text, "--", (char *)mountpoint, NULL};
	int words = -1;
	int theirs = fd_raise(comm[1]);
	pid_t pid = program_start(argv, environment, theirs, lifeline, &words);
	int error = errno;
	fd_close(&theirs);
	if (pid < 0) {
		close(comm[0]);
		report_failure(FAIL_INTERNAL, error, "cannot start %s", path);
		return -1;
	}
	char said[512];
	int fuse = receive_descriptor(comm[0]);
	bool is_mounted = program_finish(pid, words, said, sizeof said) && fuse >= 0;
	close(comm[0]);
	if (!is_mounted) {
		fd_close(&fuse);
		report_failure(FAIL_FUSERMOUNT3, 0, "%s", said[0] != 0 ? said : "fusermount3 failed");
	}
	return fuse;
}

bool fusermount_unmount(const char *mountpoint, bool is_lazy, char *said, size_t size) {
	const char *path = fusermount_path();
	if (path == NULL) {
		snprintf(said, said == NULL ? 0 : size, "fusermount3 is not installed");
		return false;
	}
	char *argv[] = {(char *)path, "-u", "--", (char *)mountpoint, NULL, NULL};
	if (is_lazy) {
		argv[2] = "-z";
		argv[3] = "--";
		argv[4] = (char *)mountpoint;
	}
	return program_run(argv, said, size);
}
