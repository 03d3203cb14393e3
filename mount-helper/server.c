#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "process.h"

enum { ENVIRONMENT_MAX = 16, VARIABLE_MAX = 4096 };

/* Our own trace switches pass, nothing else: no NODE_OPTIONS, no LD_PRELOAD, no LANG. */
static void choose_environment(char **chosen) {
	int count = 0;
	for (char **at = environ; at != NULL && *at != NULL && count < ENVIRONMENT_MAX; at++) {
		if (strncmp(*at, "EXT4BOX_", 8) == 0 && strlen(*at) <= VARIABLE_MAX) {
			chosen[count++] = *at;
		}
	}
	chosen[count] = NULL;
}

__attribute__((noreturn)) static void become_server(const struct options *options,
                                                    const struct server_fds *fds,
                                                    const struct identity *identity, pid_t parent) {
	char *argv[SERVER_ARGC_MAX + 1];
	char *environment[ENVIRONMENT_MAX + 1];
	int order[] = {fds->input, fds->status, fds->words, fds->fuse, fds->image};
	if (identity != NULL) {
		identity_become(identity);
	}
	/* Away from the terminal: neither ^C nor ^Z is for the server. */
	setsid();
	/* A supervisor that died before this line is seen by the second test alone. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
		_exit(126);
	}
	memcpy(argv, options->server, (size_t)options->server_argc * sizeof *argv);
	argv[options->server_argc] = NULL;
	choose_environment(environment);
	if (chdir("/") != 0 || !fds_arrange(order, sizeof order / sizeof order[0])) {
		_exit(126);
	}
	signals_restore();
	execve(argv[0], argv, environment);
	dprintf(STDERR_FILENO, "ext4box: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

pid_t server_start(const struct options *options, const struct server_fds *fds,
                   const struct identity *identity) {
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		become_server(options, fds, identity, parent);
	}
	return pid;
}
