#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "identity.h"
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

__attribute__((noreturn)) static void keep(const struct options *options,
                                           const struct server_fds *fds, unsigned device_minor,
                                           pid_t supervisor, int told) {
	struct identity identity;
	int status;
	/* First: until then it bears the name by which its supervisor is found. */
	prctl(PR_SET_NAME, "ext4box-keeper");
	setsid();
	pid_t server = -1;
	if (identity_prepare(&identity, device_minor)) {
		server = server_start(options, fds, &identity);
	}
	bool is_granted = server > 0 && identity_grant(&identity, server);
	privileges_drop();
	if (!is_granted) {
		/* The child waits for a byte that never comes, and finds the pipe's end instead. */
		_exit(EXIT_KEEPER);
	}
	/* After the change of ids, which clears it. A supervisor that died before is seen by the second. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor) {
		_exit(EXIT_KEEPER);
	}
	if (write(told, &server, sizeof server) != sizeof server) {
		_exit(EXIT_KEEPER);
	}
	/* /dev/fuse above all: with the server's end the connection ends. */
	int null = open("/dev/null", O_RDWR);
	int none[] = {null, null, null};
	if (null < 0 || !fds_arrange(none, 3) || chdir("/") != 0) {
		_exit(EXIT_KEEPER);
	}
	while (waitpid(server, &status, 0) != server) {
		if (errno != EINTR) {
			_exit(EXIT_KEEPER);
		}
	}
	end_as(status);
}

pid_t keeper_start(const struct options *options, const struct server_fds *fds,
                   unsigned device_minor, pid_t *server) {
	int ends[2];
	pid_t supervisor = getpid();
	if (!pipe_raised(ends)) {
		return -1;
	}
	pid_t keeper = fork();
	if (keeper == 0) {
		keep(options, fds, device_minor, supervisor, ends[1]);
	}
	int error = errno;
	privileges_drop();
	close(ends[1]);
	ssize_t got = -1;
	while (keeper > 0 && (got = read(ends[0], server, sizeof *server)) < 0 && errno == EINTR) {
	}
	close(ends[0]);
	if (keeper > 0 && got != (ssize_t)sizeof *server) {
		int status;
		waitpid(keeper, &status, 0);
		error = ECHILD;
		keeper = -1;
	}
	errno = error;
	return keeper;
}
