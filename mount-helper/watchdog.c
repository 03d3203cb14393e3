#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

enum {
	/* Parts of the limit: from a request to the look that sees it, and from one look to the next
	 * while the server is silent. */
	REST_PARTS = 3,
	STEP_PARTS = 12,
	/* A server that always says that it is at work is believed for so many times the limit. */
	BUSY_LIMITS = 20,
	ANSWERED = 0,
	NOT_ASKED = 2,
};

static long long rest_ms(const struct watchdog *dog) {
	return dog->limit_ms / REST_PARTS;
}

static long long step_ms(const struct watchdog *dog) {
	return dog->limit_ms / STEP_PARTS;
}

void watchdog_start(struct watchdog *dog, unsigned limit_s, pid_t server, int beats) {
	*dog = (struct watchdog){.limit_ms = limit_s * 1000LL, .server = server, .beats = beats};
	dog->looked_ms = now_ms();
	dog->next_ms = dog->looked_ms + rest_ms(dog);
}

long long watchdog_due(const struct watchdog *dog) {
	return dog->limit_ms > 0 ? dog->next_ms : 0;
}

/* State and CPU time of the server's first thread's process; '?' where /proc does not tell. */
static char server_state(pid_t server, long long *cpu_ms) {
	char path[64], text[1024], state = '?';
	unsigned long long user = 0, system = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)server);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	fd_close(&fd);
	*cpu_ms = 0;
	if (got <= 0) {
		return '?';
	}
	text[got] = 0;
	/* The name comes first, in parentheses, and may hold any byte. */
	const char *after = strrchr(text, ')');
	if (after == NULL || sscanf(after + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
	                            &state, &user, &system) != 3) {
		return '?';
	}
	long ticks = sysconf(_SC_CLK_TCK);
	*cpu_ms = (long long)((user + system) * 1000 / (unsigned long long)(ticks > 0 ? ticks : 100));
	return state;
}

/* Whether a byte has come; what it is does not matter, nor how many there are. */
static bool take_beats(const struct watchdog *dog) {
	char bytes[4096];
	bool has_come = false;
	/* A pipe holds no more than 16 times as much; a server that goes on filling it is not waited for. */
	for (int times = 0; times < 16 && read(dog->beats, bytes, sizeof bytes) > 0; times++) {
		has_come = true;
	}
	return has_come;
}

/* Requests that wait for an answer; -1 where the kernel does not say. */
static long requests_waiting(const struct mounted *mount) {
	char text[32];
	if (mount->connection < 0) {
		return -1;
	}
	/* Anew each time: what is open goes on telling the number that it told first. */
	int fd = openat(mount->connection, "waiting", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? 0 : -1; /* The connection has ended: nobody waits on it. */
	}
	ssize_t got = read(fd, text, sizeof text - 1);
	close(fd);
	if (got < 0) {
		return -1;
	}
	text[got] = 0;
	return strtol(text, NULL, 10);
}

/*
 * STATFS is asked for anew each time, and answered after what was asked before. Where the path leads
 * elsewhere, or the kernel answers itself because we are not the mounter (then it fills in nothing),
 * the server was not asked.
 */
static int ask(const struct mounted *mount, const char *path) {
	struct statfs facts = {0};
	if (!mounted_leads_to(mount, path)) {
		return NOT_ASKED;
	}
	if (statfs(path, &facts) == 0 && facts.f_bsize == 0) {
		return NOT_ASKED;
	}
	return ANSWERED;
}

/* In a child, for it hangs if the server does. */
static pid_t start_asker(const struct mounted *mount, const char *path) {
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		int fds[] = {null, null, null};
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "ext4box-asks");
		/* The lifeline above all must not stay open here. */
		_exit(null >= 0 && fds_arrange(fds, 3) ? ask(mount, path) : NOT_ASKED);
	}
	return pid > 0 ? pid : 0;
}

/* How much of the time since the last look the server could have answered in. */
static long long silence(struct watchdog *dog, char state, long long cpu_ms, long long elapsed) {
	long long spent = cpu_ms - dog->cpu_ms;
	if (state == 'D') {
		return 0; /* It waits for a disk. */
	}
	if (state == 'R') {
		return spent < elapsed ? spent : elapsed; /* On a busy machine it may not have run at all. */
	}
	return elapsed;
}

static void rest(struct watchdog *dog, long long now) {
	dog->is_counting = false;
	dog->next_ms = now + rest_ms(dog);
}

static void begin_counting(struct watchdog *dog, long long now, long long cpu_ms) {
	dog->is_counting = true;
	dog->silent_ms = dog->busy_ms = 0;
	dog->cpu_ms = cpu_ms;
	dog->next_ms = now + step_ms(dog);
	take_beats(dog); /* Those of before the question are no answer. */
}

static bool count(struct watchdog *dog, long long now, char state, long long cpu_ms) {
	long long elapsed = now - dog->looked_ms;
	/* Suspended, frozen or starved we saw nothing, and neither did the server perhaps. */
	bool was_away = elapsed > 3 * step_ms(dog);
	long long silent = was_away ? 0 : silence(dog, state, cpu_ms, elapsed);
	dog->cpu_ms = cpu_ms;
	dog->busy_ms += silent;
	dog->silent_ms = take_beats(dog) ? 0 : dog->silent_ms + silent;
	dog->next_ms = now + step_ms(dog);
	/* What may have passed before the question, and will until the next look, is taken off. */
	long long silent_max = dog->limit_ms - rest_ms(dog) - step_ms(dog);
	return dog->silent_ms >= silent_max || dog->busy_ms >= BUSY_LIMITS * dog->limit_ms;
}

bool watchdog_look(struct watchdog *dog, const struct mounted *mount, const char *path) {
	long long now = now_ms();
	if (dog->limit_ms == 0 || now < dog->next_ms) {
		return false;
	}
	bool is_hung = false;
	if (dog->asker == 0 && requests_waiting(mount) == 0) {
		rest(dog, now);
	} else {
		long long cpu_ms;
		char state = server_state(dog->server, &cpu_ms);
		/* Nobody needs to ask a server that was stopped; one whose mount was detached nobody can. */
		if (dog->is_counting && (dog->asker > 0 || state == 'T' || state == 't')) {
			is_hung = count(dog, now, state, cpu_ms);
		} else {
			begin_counting(dog, now, cpu_ms);
			if (!mount->is_gone) {
				dog->asker = start_asker(mount, path);
			}
		}
	}
	dog->looked_ms = now;
	return is_hung;
}

bool watchdog_reaped(struct watchdog *dog, pid_t pid, int status) {
	if (dog->asker != pid) {
		return false;
	}
	dog->asker = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == ANSWERED) {
		rest(dog, now_ms());
	}
	return true;
}

bool watchdog_sees_work(struct watchdog *dog) {
	long long cpu_ms;
	return take_beats(dog) || server_state(dog->server, &cpu_ms) == 'D';
}

void watchdog_stop(struct watchdog *dog) {
	dog->limit_ms = 0;
}
