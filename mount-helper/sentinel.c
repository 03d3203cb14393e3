#include "sentinel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

enum { ATTEMPTS = 5 };

static void wait_for_end(struct mounted *mount, int lifeline) {
	struct pollfd waits[] = {
		{.fd = lifeline, .events = POLLIN},
		{.fd = mount->watch, .events = POLLPRI},
	};
	for (;;) {
		if (poll(waits, 2, -1) < 0) {
			continue; /* EINTR, or memory is short: neither is the supervisor's end. */
		}
		if (waits[1].revents != 0) {
			mounted_refresh(mount);
		}
		if (waits[0].revents != 0) {
			return; /* Nobody ever writes: this is the end of file. */
		}
	}
}

__attribute__((noreturn)) static void keep_watch(const struct mounted *inherited,
                                                 const char *temporary, int lifeline) {
	const struct timespec pause = {.tv_nsec = 100000000};
	struct mounted mount = *inherited;
	/* First: until then it bears the name by which its supervisor is found. */
	prctl(PR_SET_NAME, "ext4box-sentry");
	int null = open("/dev/null", O_RDWR);
	int fds[] = {null, null, null, lifeline};
	setsid();
	/* Above all /dev/fuse must not stay open here: its last closing is what fails who hangs on it. */
	if (null < 0 || !fds_arrange(fds, 4) || chdir("/") != 0) {
		_exit(1);
	}
	fcntl(3, F_SETFD, FD_CLOEXEC);
	mount.abort = -1;
	mounted_watch(&mount);
	mounted_refresh(&mount);
	wait_for_end(&mount, 3);
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		if (mounted_remove(&mount, true, NULL, 0) == UNMOUNTED) {
			break;
		}
		nanosleep(&pause, NULL);
	}
	if (temporary != NULL) {
		rmdir(temporary);
	}
	_exit(0);
}

pid_t sentinel_start(const struct mounted *mount, const char *temporary, const int lifeline[2]) {
	pid_t pid = fork();
	if (pid == 0) {
		/* The signals stay blocked: a kill by name ends the supervisor, in order, and not this. */
		keep_watch(mount, temporary, lifeline[0]);
	}
	return pid;
}
