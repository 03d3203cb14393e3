#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Descriptors, signals and children: the few idioms that every other file needs. */

/* Opens what is missing of 0 to 2, closes everything above but *keep_fd, which may be moved. */
bool fds_sanitize(int *keep_fd);

/* A copy at 10 or above, closed on exec, the original closed: 0 to 9 stay free for dup2. */
int fd_raise(int fd);

/* As pipe2(O_CLOEXEC), both ends raised. */
bool pipe_raised(int ends[2]);

/* In a child about to exec: descriptors 0 to count - 1 from the list, all others closed. */
bool fds_arrange(const int *fds, int count);

void fd_close(int *fd);

/* Blocks what the supervisor waits for; a child undoes it, and SIGPIPE, before it execs. */
void signals_block(void);
void signals_restore(void);

/* Milliseconds of a clock that only goes forward. */
long long now_ms(void);

/* Waits for this child alone; false when it has not ended in time. */
bool child_wait(pid_t pid, int timeout_ms, int *status);

/* Into a file that exists, such as those of /proc, in one write. Sets errno. */
bool text_write(const char *path, const char *text);
