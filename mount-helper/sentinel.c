#include "sentinel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "mountinfo.h"
#include "privileges.h"
#include "process.h"

enum { ATTEMPTS = 5 };

struct watch {
	const struct charge *charge;
	struct mounted mount;
	bool is_told;
	bool had_mount; /* Something was mounted there before: */
	unsigned before; /* its id. */
};

/* False at the end of the pipe. What is told is one write of less than PIPE_BUF: never torn. */
static bool listen_to(struct watch *watch, int lifeline) {
	struct mounted told;
	ssize_t got = read(lifeline, &told, sizeof told);
	if (got != (ssize_t)sizeof told) {
		return got < 0 && errno == EINTR;
	}
	told.watch = watch->mount.watch;
	told.abort = told.connection = -1;
	watch->mount = told;
	watch->is_told = true;
	mounted_refresh(&watch->mount);
	return true;
}

static void wait_for_end(struct watch *watch, int lifeline) {
	struct pollfd waits[] = {
		{.fd = lifeline, .events = POLLIN},
		{.fd = watch->mount.watch, .events = POLLPRI},
	};
	for (;;) {
		if (poll(waits, 2, -1) < 0) {
			continue; /* EINTR, or memory is short: neither is the supervisor's end. */
		}
		if (waits[1].revents != 0 && watch->is_told) {
			mounted_refresh(&watch->mount);
		}
		if (waits[0].revents != 0 && !listen_to(watch, lifeline)) {
			return;
		}
	}
}

/*
 * The supervisor died between the mount and the word of it. False where the mount table can't be read:
 * nothing was found out then.
 */
static bool find_untold(struct watch *watch) {
	struct mountinfo found;
	const char *path = watch->charge->mountpoint;
	enum lookup result = mountinfo_at(path, &found);
	if (result == LOOKUP_UNREADABLE) {
		return false;
	}
	bool is_new = result == LOOKUP_FOUND && found.is_ext4box &&
	              !(watch->had_mount && found.id == watch->before);
	mounted_close(&watch->mount);
	if (!is_new || !mounted_identify(&watch->mount, watch->charge->way, path)) {
		watch->mount.is_gone = true;
	}
	return true;
}

__attribute__((noreturn)) static void keep_watch(struct watch *watch, int lifeline) {
	const struct timespec pause = {.tv_nsec = 100000000};
	/* First: until then it may bear the name by which its supervisor is found. */
	prctl(PR_SET_NAME, "ext4box-sentry");
	privileges_drop();
	int null = open("/dev/null", O_RDWR);
	int fds[] = {null, null, null, lifeline};
	setsid();
	/* Above all /dev/fuse must not stay open here: its last closing is what fails who hangs on it. */
	if (null < 0 || !fds_arrange(fds, 4) || chdir("/") != 0) {
		_exit(1);
	}
	fcntl(3, F_SETFD, FD_CLOEXEC);
	mounted_watch(&watch->mount);
	wait_for_end(watch, 3);
	bool is_known = watch->is_told;
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		is_known = is_known || find_untold(watch);
		if (is_known && mounted_remove(&watch->mount, true, NULL, 0) == UNMOUNTED) {
			break;
		}
		nanosleep(&pause, NULL);
	}
	if (watch->charge->is_temporary) {
		rmdir(watch->charge->mountpoint);
	}
	_exit(0);
}

pid_t sentinel_start(const struct charge *charge, const int lifeline[2]) {
	struct watch watch = {.charge = charge, .mount = {.watch = -1, .abort = -1, .connection = -1}};
	struct mountinfo before;
	enum lookup result = mountinfo_at(charge->mountpoint, &before);
	if (result == LOOKUP_UNREADABLE) {
		return -1;
	}
	watch.had_mount = result == LOOKUP_FOUND;
	watch.before = watch.had_mount ? before.id : 0;
	pid_t pid = fork();
	if (pid == 0) {
		/* The signals stay blocked: a kill by name ends the supervisor, in order, and not this. */
		keep_watch(&watch, lifeline[0]);
	}
	return pid;
}

bool sentinel_tell(const struct mounted *mount, const int lifeline[2]) {
	return write(lifeline[1], mount, sizeof *mount) == (ssize_t)sizeof *mount;
}
