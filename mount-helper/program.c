#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

enum {
	COMM_FD = 3,
	PATIENCE_MS = 30000, /* It stats the mountpoint, which may lie on a slow file system. */
};

pid_t program_start(char *const argv[], char *const environment[], int comm, int lifeline,
                    int *words) {
	int ends[2];
	int null = fd_raise(open("/dev/null", O_RDWR | O_CLOEXEC));
	if (null < 0 || !pipe_raised(ends)) {
		fd_close(&null);
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0) {
		int fds[] = {null, null, ends[1], comm, lifeline};
		signals_restore();
		/* A terminal's ^C is for us: fusermount3, ended by it right behind mount(2), would leave a dead mount. */
		signal(SIGINT, SIG_IGN);
		signal(SIGQUIT, SIG_IGN);
		if (fds_arrange(fds, comm < 0 ? COMM_FD : COMM_FD + 2)) {
			execve(argv[0], argv, environment);
		}
		_exit(127);
	}
	int error = errno;
	close(null);
	close(ends[1]);
	*words = ends[0];
	if (pid < 0) {
		fd_close(words);
	}
	errno = error;
	return pid;
}

/* Reads what it says until it ends; the tail beyond the buffer is dropped. Its last line feed, too. */
static void listen_to(int fd, char *said, size_t size) {
	size_t length = 0;
	char chunk[256];
	long long deadline = now_ms() + PATIENCE_MS;
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	for (;;) {
		/* Never negative, which would be without end. */
		long long left = deadline - now_ms();
		if (left <= 0 || poll(&wait, 1, (int)left) == 0) {
			break;
		}
		ssize_t got = read(fd, chunk, sizeof chunk);
		if (got == 0 || (got < 0 && errno != EINTR)) {
			break;
		}
		for (ssize_t at = 0; at < got && length + 1 < size; at++) {
			said[length++] = chunk[at];
		}
	}
	while (length > 0 && said[length - 1] == '\n') {
		length--;
	}
	said[length] = 0;
}

bool program_finish(pid_t pid, int words, char *said, size_t size) {
	int status;
	listen_to(words, said, size);
	close(words);
	if (!child_wait(pid, PATIENCE_MS, &status)) {
		/* It runs as its caller, who may kill it. */
		kill(pid, SIGKILL);
		return false;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool program_run(char *const argv[], char *said, size_t size) {
	static char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
	char unheard[256];
	int words = -1;
	pid_t pid = program_start(argv, environment, -1, -1, &words);
	if (pid < 0) {
		return false;
	}
	return program_finish(pid, words, said == NULL ? unheard : said,
	                      said == NULL ? sizeof unheard : size);
}
