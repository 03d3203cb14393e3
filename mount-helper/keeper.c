#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "identity.h"
#include "keeper-filter.h"
#include "privileges.h"
#include "process.h"

enum { EXIT_KEEPER = 125 };

__attribute__((noreturn)) static void end_as(int status) {
	if (WIFSIGNALED(status)) {
		signals_restore();
		signal(WTERMSIG(status), SIG_DFL);
		kill(getpid(), WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_KEEPER);
}

/* Until the server has ended. */
__attribute__((noreturn)) static void wait_for_end(pid_t server) {
	enum { LINE = 3, SIGNALS = 4 };
	struct pollfd waits[] = {
		{.fd = LINE, .events = POLLIN},
		{.fd = SIGNALS, .events = POLLIN},
	};
	struct signalfd_siginfo info;
	int status;
	for (;;) {
		pid_t ended = waitpid(server, &status, WNOHANG);
		if (ended == server) {
			end_as(status);
		}
		if (ended < 0 && errno != EINTR) {
			_exit(EXIT_KEEPER);
		}
		if (poll(waits, 2, -1) < 0) {
			continue;
		}
		if (waits[0].revents != 0) {
			kill(server, SIGKILL);
			waits[0].fd = -1;
		}
		if (waits[1].revents != 0 && read(SIGNALS, &info, sizeof info) < 0) {
			continue;
		}
	}
}

/*
 * While it has the right to: no capability is ever to be had again, by whatever it might execute. The server
 * gets a set of its own with its user namespace, and gives that up itself.
 */
static bool renounce(void) {
	privileges_raise();
	privileges_empty_bounding_set();
	privileges_lower();
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

__attribute__((noreturn)) static void keep(const struct server *server, int slot, int line,
                                           int told) {
	struct identity identity;
	sigset_t all;
	/* First: until then it bears the name by which its supervisor is found. */
	prctl(PR_SET_NAME, "ext4box-keeper");
	setsid();
	pid_t pid = -1;
	if (renounce() && identity_prepare(&identity, server->device_minor)) {
		pid = server_start(server, &identity);
	}
	if (pid <= 0 || !identity_grant(&identity, pid)) {
		/* The child waits for a word that never comes, and finds the pipe's end instead. */
		pid_t reason = -errno;
		if (write(told, &reason, sizeof reason) != (ssize_t)sizeof reason) {
			/* Without the word, the pipe's end says as much. */
		}
		_exit(EXIT_KEEPER);
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	sigemptyset(&all);
	sigaddset(&all, SIGCHLD);
	int signals = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (signals < 0 || null < 0 || write(told, &pid, sizeof pid) != sizeof pid) {
		_exit(EXIT_KEEPER);
	}
	/* /dev/fuse above all is closed: with the server's end the connection ends. */
	int kept[] = {fd_raise(null), null, null, line, fd_raise(signals), slot};
	kept[1] = kept[2] = kept[0];
	if (!fds_arrange(kept, sizeof kept / sizeof kept[0]) || chdir("/") != 0 ||
	    !keeper_filter(pid)) {
		_exit(EXIT_KEEPER);
	}
	wait_for_end(pid);
}

bool keeper_start(const struct server *server, int slot, struct kept *kept) {
	int told[2], line[2];
	*kept = (struct kept){.line = -1};
	if (!pipe_raised(told) || !pipe_raised(line)) {
		return false;
	}
	pid_t keeper = fork();
	if (keeper == 0) {
		close(told[0]);
		close(line[1]);
		keep(server, slot, line[0], told[1]);
	}
	int error = errno;
	privileges_drop();
	close(told[1]);
	close(line[0]);
	ssize_t got = -1;
	while (keeper > 0 &&
	       (got = read(told[0], &kept->server, sizeof kept->server)) < 0 && errno == EINTR) {
	}
	close(told[0]);
	kept->keeper = keeper;
	kept->line = line[1];
	bool is_told = got == (ssize_t)sizeof kept->server;
	if (keeper > 0 && (!is_told || kept->server <= 0)) {
		int status;
		/* It sees the end of its line, whatever it is at. */
		fd_close(&kept->line);
		waitpid(keeper, &status, 0);
		error = is_told ? -kept->server : ECHILD;
		keeper = -1;
	}
	errno = error;
	return keeper > 0;
}
