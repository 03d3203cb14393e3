#include "server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privileges.h"
#include "process.h"
#include "sandbox.h"

enum { ENVIRONMENT_MAX = 16, VARIABLE_MAX = 4096 };

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define REPORT_VARIABLE "EXT4BOX_SANDBOX="
#define GRANT_VARIABLE "EXT4BOX_GRANT="
#define LIBRARY_VARIABLE "LD_LIBRARY_PATH="
#define NO_CONFIGURATION "OPENSSL_CONF=/dev/null"

struct environment {
	char *chosen[ENVIRONMENT_MAX + 5];
	char report[sizeof REPORT_VARIABLE + SANDBOX_REPORT_MAX];
	char grant[sizeof GRANT_VARIABLE + GRANT_TEXT_MAX];
	char no_configuration[sizeof NO_CONFIGURATION];
	char libraries[sizeof LIBRARY_VARIABLE + SANDBOX_LIBRARY_PATH_MAX];
};

static bool is_ours_to_say(const char *variable) {
	return strncmp(variable, REPORT_VARIABLE, sizeof REPORT_VARIABLE - 1) == 0 ||
	       strncmp(variable, GRANT_VARIABLE, sizeof GRANT_VARIABLE - 1) == 0;
}

/*
 * Our own trace switches pass, nothing else: no NODE_OPTIONS, no LD_PRELOAD, no LANG. What the
 * sandbox is, and what was granted, only we say.
 */
static void choose_environment(struct environment *environment, const struct sandbox *sandbox,
                               const struct grant *grant) {
	int count = 0;
	for (char **at = environ; at != NULL && *at != NULL && count < ENVIRONMENT_MAX; at++) {
		if (strncmp(*at, "EXT4BOX_", 8) == 0 && strlen(*at) <= VARIABLE_MAX &&
		    !is_ours_to_say(*at)) {
			environment->chosen[count++] = *at;
		}
	}
	snprintf(environment->report, sizeof environment->report, REPORT_VARIABLE "%s",
	         sandbox->report);
	environment->chosen[count++] = environment->report;
	memcpy(environment->grant, GRANT_VARIABLE, sizeof GRANT_VARIABLE);
	grant_describe(grant, environment->grant + sizeof GRANT_VARIABLE - 1);
	environment->chosen[count++] = environment->grant;
	if (sandbox->has_root && sandbox->library_path[0] != 0) {
		snprintf(environment->libraries, sizeof environment->libraries, LIBRARY_VARIABLE "%s",
		         sandbox->library_path);
		environment->chosen[count++] = environment->libraries;
	}
	/* The machine's own configuration can't be read, which Node takes for a fault. */
	if (sandbox->level != SANDBOX_OFF && !sandbox->has_root) {
		environment->chosen[count++] = environment->no_configuration;
	}
	environment->chosen[count] = NULL;
}

__attribute__((noreturn)) static void become_server(const struct server *server,
                                                    const struct identity *identity,
                                                    struct sandbox *sandbox, int parent) {
	const struct options *options = server->options;
	char *argv[SERVER_ARGC_MAX + 1];
	struct environment environment = {.no_configuration = NO_CONFIGURATION};
	enum { PARENT = 5 };
	int order[] = {server->input, server->status, server->words,
	               server->fuse,  server->image,  parent};
	struct pollfd parent_end = {.fd = PARENT, .events = POLLIN};
	if (identity != NULL) {
		identity_become(identity);
	}
	/* Away from the terminal: neither ^C nor ^Z is for the server. */
	setsid();
	memcpy(argv, options->server, (size_t)options->server_argc * sizeof *argv);
	argv[options->server_argc] = NULL;
	/* First: what the sandbox opens takes no descriptor's place, and what goes wrong is said. */
	if (chdir("/") != 0 || !fds_arrange(order, parent < 0 ? PARENT : PARENT + 1)) {
		_exit(126);
	}
	if (!sandbox_enter(sandbox, options)) {
		_exit(1);
	}
	privileges_stay_forgone();
	/* Last: a change of ids undoes it. A parent that died before this line is seen by its
	 * descriptor alone; getppid tells nothing across pid namespaces. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
	    (parent >= 0 && (poll(&parent_end, 1, 0) != 0 || close(PARENT) != 0))) {
		_exit(126);
	}
	choose_environment(&environment, sandbox, server->grant);
	signals_restore();
	execve(argv[0], argv, environment.chosen);
	dprintf(STDERR_FILENO, "ext4box: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

pid_t server_start(const struct server *server, const struct identity *identity) {
	struct sandbox sandbox;
	sandbox_prepare(&sandbox, server->options, server->device_minor, identity != NULL);
	/* Since Linux 5.3; before, a parent that dies while it starts a server is not noticed. */
	int parent = fd_raise((int)syscall(SYS_pidfd_open, getpid(), 0));
	pid_t pid = sandbox_fork(&sandbox);
	if (pid == 0) {
		become_server(server, identity, &sandbox, parent);
	}
	int error = errno;
	fd_close(&parent);
	errno = error;
	return pid;
}
