#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RAISED_MIN = 10 };

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/*
 * Before Linux 5.9: what is open, as /proc lists it; a limit says nothing of descriptors that were opened
 * under a higher one. The list is by number, so that what is closed meanwhile does not change its rest.
 */
static bool close_listed(unsigned first, unsigned last) {
	DIR *list = opendir("/proc/self/fd");
	const struct dirent *entry;
	if (list == NULL) {
		return false;
	}
	unsigned own = (unsigned)dirfd(list);
	while (errno = 0, (entry = readdir(list)) != NULL) {
		char *end;
		unsigned long fd = strtoul(entry->d_name, &end, 10);
		if (end != entry->d_name && *end == 0 && fd >= first && fd <= last && fd != own) {
			close((int)fd);
		}
	}
	int error = errno;
	closedir(list);
	errno = error;
	return error == 0;
}

static bool close_from_to(unsigned first, unsigned last) {
	return first > last || syscall(SYS_close_range, first, last, 0) == 0 ||
	       close_listed(first, last);
}

bool fds_sanitize(int *keep_fd) {
	int fd;
	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0) {
			return false;
		}
	} while (fd <= STDERR_FILENO);
	close(fd);
	if (*keep_fd < 0) {
		return close_from_to(STDERR_FILENO + 1, UINT_MAX);
	}
	*keep_fd = fd_raise(*keep_fd);
	return *keep_fd >= 0 && close_from_to(STDERR_FILENO + 1, (unsigned)*keep_fd - 1) &&
	       close_from_to((unsigned)*keep_fd + 1, UINT_MAX);
}

int fd_raise(int fd) {
	int raised = fcntl(fd, F_DUPFD_CLOEXEC, RAISED_MIN);
	int error = errno;
	close(fd);
	errno = error;
	return raised;
}

bool pipe_raised(int ends[2]) {
	if (pipe2(ends, O_CLOEXEC) != 0) {
		ends[0] = ends[1] = -1;
		return false;
	}
	ends[0] = fd_raise(ends[0]);
	ends[1] = fd_raise(ends[1]);
	return ends[0] >= 0 && ends[1] >= 0;
}

bool fds_arrange(const int *fds, int count) {
	for (int target = 0; target < count; target++) {
		/* dup2 onto itself would leave close-on-exec as it is. */
		if (fds[target] == target ? fcntl(target, F_SETFD, 0) != 0 : dup2(fds[target], target) < 0) {
			return false;
		}
	}
	return close_from_to((unsigned)count, UINT_MAX);
}

void fd_close(int *fd) {
	if (*fd >= 0) {
		close(*fd);
		*fd = -1;
	}
}

void signals_block(void) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A reader that has gone shows as EPIPE where we write, and is no reason to die mounted. */
	signal(SIGPIPE, SIG_IGN);
}

void signals_restore(void) {
	sigset_t none;
	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

long long now_ms(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool child_wait(pid_t pid, int timeout_ms, int *status) {
	const struct timespec step = {.tv_nsec = 1000000};
	long long deadline = now_ms() + timeout_ms;
	for (;;) {
		pid_t ended = waitpid(pid, status, WNOHANG);
		if (ended == pid) {
			return true;
		}
		if ((ended < 0 && errno != EINTR) || now_ms() >= deadline) {
			return false;
		}
		nanosleep(&step, NULL);
	}
}

bool text_write(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	ssize_t length = (ssize_t)strlen(text);
	bool is_written = write(fd, text, (size_t)length) == length;
	int error = errno;
	close(fd);
	errno = error;
	return is_written;
}
