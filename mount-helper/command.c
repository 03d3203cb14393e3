#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"

__attribute__((noreturn)) static void become_command(char *const command[], const char *mountpoint,
                                                     const char *enter, pid_t parent) {
	int fds[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
	if (!fds_arrange(fds, 3) || setenv("EXT4BOX_MOUNT", mountpoint, 1) != 0) {
		_exit(126);
	}
	/* Should the supervisor be killed, the mount under the command goes away: it is told to end. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) {
		_exit(126);
	}
	if (enter != NULL && chdir(enter) != 0) {
		dprintf(STDERR_FILENO, "ext4box: cannot enter %s: %s\n", enter, strerror(errno));
		_exit(126);
	}
	/* The kernel takes a root that it has not asked about yet for root's, who is nobody in this
	 * namespace, and lets nothing be made in it. */
	struct stat facts;
	if (stat(enter == NULL ? mountpoint : ".", &facts) != 0) {
		dprintf(STDERR_FILENO, "ext4box: %s does not answer: %s\n", mountpoint, strerror(errno));
		_exit(126);
	}
	signals_restore();
	execvp(command[0], command);
	int error = errno;
	dprintf(STDERR_FILENO, "ext4box: cannot run %s: %s\n", command[0], strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

pid_t command_start(char *const command[], const char *mountpoint, const char *enter) {
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		become_command(command, mountpoint, enter, parent);
	}
	return pid;
}
