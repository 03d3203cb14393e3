#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "process.h"
#include "report.h"
#include "system-log.h"

enum {
	START_MS = 120000,     /* A journal of gigabytes is read before the server is ready. */
	GRACE_MS = 2000,       /* For those who hold files open on a mount that was asked to end. */
	SYNC_MS = 10000,       /* For what the kernel has not yet written of files that are held open. */
	COMMIT_MS = 30000,     /* For the server's last commit, and as long again while it is at work, */
	COMMITS_MAX = 20,      /* so many times at most. */
	SENTINEL_RESTARTS = 16,
	WORDS_MAX = 256,       /* Of 4 KiB each: 1 MiB, a pipe of 64 KiB pages. */
	VERDICT_S = 5,         /* For who has unmounted to read what came of it. */
	LISTENER_MS = 1000,    /* For whoever reads our stderr; what he has no room for then is dropped. */
};

static void stop_server(struct session *session) {
	if (session->line >= 0) {
		fd_close(&session->line); /* It is not ours to kill: its keeper does. */
	} else if (session->server > 0) {
		kill(session->server, SIGKILL);
	}
}

/*
 * Has the kernel hand the server what it keeps of files that are held open: with the connection it
 * would be lost. In a child, for a server that hangs is not to hang us. Before the mount leaves the
 * tree of names; O_PATH asks the server nothing.
 */
static void start_sync(struct session *session) {
	int root = open(session->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (root >= 0 && null >= 0) {
		pid_t pid = fork();
		if (pid == 0) {
			/* The lifeline above all must not stay open here. */
			int fds[] = {null, null, null, root};
			if (fds_arrange(fds, 4)) {
				int mount = openat(3, ".", O_RDONLY | O_DIRECTORY);
				_exit(mount >= 0 && syncfs(mount) == 0 ? 0 : 1);
			}
			_exit(1);
		}
		session->syncer = pid > 0 ? pid : 0;
	}
	fd_close(&root);
	fd_close(&null);
}

/* Cut the connection, so that a server which writes can still commit; else end it. */
static void cut_off(struct session *session) {
	session->abort_at = 0;
	if (session->mount.is_gone && session->kill_at == 0) {
		return;
	}
	if (mounted_abort(&session->mount)) {
		return;
	}
	/* Without the fusectl file system there is no cutting off. A server that only reads has
	 * nothing to lose; one that writes is told to end, and gets its full time for that. */
	if (!options_writes(session->options)) {
		stop_server(session);
	} else {
		fd_close(&session->stop);
	}
}

static void begin_stop(struct session *session) {
	if (session->phase >= PHASE_STOPPING) {
		return;
	}
	if (session->phase == PHASE_STARTING) {
		stop_server(session); /* It has nothing to commit yet, and may never come to read ENODEV. */
	}
	session->phase = PHASE_STOPPING;
	enum unmounted result = mounted_remove(&session->mount, false, NULL, 0);
	if (result == UNMOUNT_BUSY) {
		if (options_writes(session->options)) {
			start_sync(session);
		}
		mounted_remove(&session->mount, true, NULL, 0);
	}
	/* From here, not before: the unmount itself takes as long as the kernel has pages to write. */
	session->kill_at = now_ms() + COMMIT_MS;
	if (result != UNMOUNTED) {
		/* In use; or something lies on top of our mount, and it can't be taken from below. */
		session->abort_at = now_ms() + GRACE_MS;
	}
	if (session->syncer > 0) {
		session->abort_at += SYNC_MS;
		session->kill_at += SYNC_MS;
	}
}

/* Asked to stop; asked twice, it waits for nobody who holds a file open. */
static void ask_stop(struct session *session) {
	if (session->phase == PHASE_STARTING) {
		report_failure(FAIL_SIGNAL, 0, "stopped before the mount was ready");
	}
	if (session->phase == PHASE_STOPPING) {
		cut_off(session);
	}
	begin_stop(session);
}

static void take_signal(struct session *session, const struct signalfd_siginfo *info) {
	int signal_number = (int)info->ssi_signo;
	if (signal_number == SIGCHLD) {
		return; /* Children are reaped in every round. */
	}
	if (session->command <= 0) {
		if (session->options->action == ACTION_RUN) {
			session->exit_status = 128 + signal_number;
		}
		ask_stop(session);
		return;
	}
	/* What the terminal sends it sends to COMMAND as well; what a process sends it sent to us. */
	if (info->ssi_code != SI_KERNEL) {
		kill(session->command, signal_number);
	}
}

static void take_signals(struct session *session) {
	struct signalfd_siginfo info;
	while (read(session->signals, &info, sizeof info) == sizeof info) {
		take_signal(session, &info);
	}
}

/*
 * What a terminal would obey is shown as '?': control characters but for line feed and tab, those of
 * the upper half, too, as a byte and in UTF-8. before: the byte before the first.
 */
static void make_harmless(char *bytes, ssize_t count, unsigned char before) {
	for (ssize_t at = 0; at < count; at++) {
		unsigned char byte = (unsigned char)bytes[at];
		bool is_low = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
		bool is_high = byte >= 0x80 && byte < 0xa0 && (before < 0x80 || before == 0xc2);
		if (is_low || is_high) {
			bytes[at] = '?';
		}
		before = (unsigned char)bytes[at];
	}
}

/*
 * Passes on what the server says; after a daemon's start our stderr is /dev/null. As much as a pipe
 * holds: one that never stops talking is not to keep us from all else.
 */
static void relay_words(struct session *session) {
	char bytes[4096];
	ssize_t got = -1;
	struct pollfd listener = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (session->words < 0) {
		return;
	}
	for (int times = 0; times < WORDS_MAX; times++) {
		got = read(session->words, bytes, sizeof bytes);
		if (got <= 0) {
			break;
		}
		make_harmless(bytes, got, session->last_word);
		session->last_word = (unsigned char)bytes[got - 1];
		if (poll(&listener, 1, LISTENER_MS) != 1 || write(STDERR_FILENO, bytes, (size_t)got) < 0) {
			break;
		}
	}
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		fd_close(&session->words);
	}
}

static bool detach_stdio(void) {
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool is_detached = null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 && dup2(null, 2) >= 0;
	if (null > 2) {
		close(null);
	}
	return is_detached && chdir("/") == 0;
}

static void become_ready(struct session *session) {
	const struct mounted *mount = &session->mount;
	session->phase = PHASE_SERVING;
	session->was_ready = true;
	bool is_told =
		report_ready(way_name(mount->way), mount->id, mount->major, mount->minor, getpid());
	if (session->front >= 0) {
		/* Not before: by its process group autofs knows who makes the mount that it waits for, and
		 * has everybody else wait for it, too. */
		setsid();
		is_told = detach_stdio() && is_told;
		is_told = is_told && write(session->front, "", 1) == 1;
		fd_close(&session->front);
	}
	if (!is_told) {
		/* Whoever asked for the mount has gone away in the meantime. */
		begin_stop(session);
		return;
	}
	if (session->options->command != NULL) {
		const char *enter = session->options->enter ? session->mountpoint : NULL;
		session->command = command_start(session->options->command, session->mountpoint, enter);
		if (session->command < 0) {
			dprintf(STDERR_FILENO, "ext4box: cannot start the command: %s\n", strerror(errno));
			session->command = 0;
			begin_stop(session);
		}
	}
}

static void take_status(struct session *session) {
	char byte = 0;
	ssize_t got = read(session->status, &byte, 1);
	if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
		return;
	}
	if (got == 1 && byte == 'R' && session->phase == PHASE_STARTING) {
		/* What follows are signs of life, for the watchdog alone. */
		watchdog_start(&session->watchdog, session->options->watchdog_s, session->serving,
		               session->status);
		session->status = -1;
		become_ready(session);
		return;
	}
	fd_close(&session->status);
	if (session->phase == PHASE_STARTING) {
		/* The pipe's end is the server's end, which is reaped next; anything else is no server
		 * of ours. */
		stop_server(session);
	}
}

static int status_of(int status) {
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * What is not as it should be: to who started us; of a daemon that has left its terminal, to the log of
 * the system, which is told where it was besides. For when the mount is taken away: the log's own
 * programs might wait for it.
 */
__attribute__((format(printf, 2, 3))) static void complain(const struct session *session,
                                                           const char *format, ...) {
	char text[256], line[sizeof text + PATH_MAX + 4];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (session->was_ready && session->options->action == ACTION_MOUNT &&
	    !session->options->foreground) {
		snprintf(line, sizeof line, "%s (%s)", text, session->mountpoint);
		system_log(line);
	} else {
		dprintf(STDERR_FILENO, "ext4box: %s\n", text);
	}
}

static void tell_end(const struct session *session, int status) {
	if (WIFSIGNALED(status)) {
		complain(session, "the server ended by signal %d; unmounted", WTERMSIG(status));
	} else if (WEXITSTATUS(status) > 1) {
		complain(session, "not all that was written is in the image (%s); unmounted",
		         strerror(WEXITSTATUS(status)));
	} else if (WEXITSTATUS(status) != 0) {
		complain(session, "the server ended with status %d; unmounted", WEXITSTATUS(status));
	} else if (session->command > 0) {
		dprintf(STDERR_FILENO, "ext4box: the mount has ended\n");
	}
}

static void server_ended(struct session *session, int status) {
	enum phase phase = session->phase;
	bool is_run = session->options->action == ACTION_RUN;
	session->server = 0;
	session->phase = PHASE_ENDED;
	mounted_refresh(&session->mount);
	if (phase == PHASE_SERVING && session->mount.is_gone) {
		session->verdict = status_of(status);
	}
	/* First: whoever reads our stderr may let us wait. */
	mounted_remove(&session->mount, true, NULL, 0);
	relay_words(session);
	if (phase == PHASE_STARTING) {
		bool is_signal = WIFSIGNALED(status);
		report_failure(FAIL_SERVER, 0, "%s %d", is_signal ? "signal" : "status",
		               is_signal ? WTERMSIG(status) : WEXITSTATUS(status));
		return;
	}
	/* Ended by us, who were told to stop: it only read, or had not come to be ready. */
	bool is_cut = phase == PHASE_STOPPING && WIFSIGNALED(status) && !session->is_hung &&
	              (!options_writes(session->options) || !session->was_ready);
	if (!is_cut) {
		tell_end(session, status);
	}
	if (!is_run && session->was_ready) {
		session->exit_status = is_cut || status == 0 ? 0 : 1;
	}
}

static void reap(struct session *session) {
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == session->server) {
			server_ended(session, status);
		} else if (pid == session->command) {
			session->command = 0;
			session->exit_status = status_of(status);
			begin_stop(session);
		} else if (pid == session->syncer) {
			session->syncer = 0;
			if (session->abort_at != 0) {
				session->abort_at = now_ms() + GRACE_MS;
			}
		} else if (watchdog_reaped(&session->watchdog, pid, status)) {
			continue;
		} else if (pid == session->sentinel) {
			session->sentinel = 0;
			if (session->phase < PHASE_STOPPING && session->sentinel_restarts < SENTINEL_RESTARTS) {
				session->sentinel_restarts++;
				session_restart_sentinel(session);
			}
		}
	}
}

/* Whoever waits for the server gets an error now, and what it has not committed is left to a recovery. */
static void end_hung(struct session *session) {
	session->is_hung = true;
	session->phase = PHASE_STOPPING;
	watchdog_stop(&session->watchdog);
	mounted_abort(&session->mount);
	stop_server(session);
	/* One that hangs in the kernel may not end for a while: at least nobody comes in any more. */
	mounted_remove(&session->mount, true, NULL, 0);
	complain(session, "the server has not answered for %u s, and is ended",
	         session->options->watchdog_s);
}

/* The last commit may take long on a slow disk; a server that is at it is given time. */
static void check_commit(struct session *session, long long now) {
	if (session->commits_waited < COMMITS_MAX && watchdog_sees_work(&session->watchdog)) {
		session->commits_waited++;
		session->kill_at = now + COMMIT_MS;
		return;
	}
	session->kill_at = 0;
	stop_server(session);
}

static void check_deadlines(struct session *session, long long *start_by) {
	long long now = now_ms();
	if (session->phase == PHASE_SERVING &&
	    watchdog_look(&session->watchdog, &session->mount, session->mountpoint)) {
		end_hung(session);
	}
	if (session->phase == PHASE_STARTING && *start_by != 0 && now >= *start_by) {
		*start_by = 0;
		dprintf(STDERR_FILENO, "ext4box: the server was not ready in %d s\n", START_MS / 1000);
		stop_server(session);
	}
	if (session->abort_at != 0 && now >= session->abort_at) {
		cut_off(session);
	}
	if (session->kill_at != 0 && now >= session->kill_at) {
		check_commit(session, now);
	}
}

/* The number in our name is given out again once the mount is gone, and names another's server. */
static void drop_name(const struct session *session) {
	if (session->mount.is_gone) {
		prctl(PR_SET_NAME, "ext4box-ending");
	}
}

static int next_timeout(const struct session *session, long long start_by) {
	const long long dues[] = {
		session->phase == PHASE_STARTING ? start_by : 0,
		session->phase == PHASE_SERVING ? watchdog_due(&session->watchdog) : 0,
		session->abort_at,
		session->kill_at,
	};
	long long next = 0;
	for (size_t index = 0; index < sizeof dues / sizeof dues[0]; index++) {
		if (dues[index] != 0 && (next == 0 || dues[index] < next)) {
			next = dues[index];
		}
	}
	long long wait = next - now_ms();
	return next == 0 ? -1 : wait < 0 ? 0 : (int)wait;
}

void supervise(struct session *session) {
	long long start_by = now_ms() + START_MS;
	while (session->server > 0 || session->command > 0) {
		struct pollfd waits[] = {
			{.fd = session->signals, .events = POLLIN},
			{.fd = session->mount.watch, .events = POLLPRI},
			{.fd = session->words, .events = POLLIN},
			{.fd = session->status, .events = POLLIN},
			{.fd = session->front, .events = 0},
		};
		int count = poll(waits, sizeof waits / sizeof waits[0], next_timeout(session, start_by));
		if (count > 0) {
			if (waits[1].revents != 0) {
				mounted_refresh(&session->mount);
			}
			if (waits[2].revents != 0) {
				relay_words(session);
			}
			if (waits[3].revents != 0) {
				take_status(session);
			}
			if (waits[4].revents != 0) {
				fd_close(&session->front);
				ask_stop(session); /* Its reader is gone: ^C while the mount was in the making. */
			}
			if (waits[0].revents != 0) {
				take_signals(session);
			}
		}
		reap(session);
		check_deadlines(session, &start_by);
		drop_name(session);
	}
}

void supervisor_leave_verdict(const struct session *session) {
	const struct timespec patience = {.tv_sec = VERDICT_S};
	char name[16];
	sigset_t set;
	if (session->verdict == 0 || session->options->action != ACTION_MOUNT) {
		return;
	}
	snprintf(name, sizeof name, "ext4box-end:%d", session->verdict & 0xff);
	prctl(PR_SET_NAME, name);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	while (sigtimedwait(&set, NULL, &patience) < 0 && errno == EINTR) {
	}
}
