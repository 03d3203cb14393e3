#include "privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "installed.h"

enum { EXIT_PRIVILEGES = 125 };

static bool is_held;

bool privileges_held(void) {
	return is_held;
}

static void become(uid_t effective) {
	if (setresuid((uid_t)-1, effective, (uid_t)-1) != 0 || geteuid() != effective) {
		_exit(EXIT_PRIVILEGES);
	}
}

void privileges_raise(void) {
	if (is_held) {
		become(0);
	}
}

void privileges_lower(void) {
	if (is_held) {
		become(getuid());
	}
}

bool privileges_clear_capabilities(void) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	memset(sets, 0, sizeof sets);
	if (syscall(SYS_capset, &header, sets) != 0) {
		return false;
	}
	memset(sets, 0xff, sizeof sets);
	if (syscall(SYS_capget, &header, sets) != 0) {
		return false;
	}
	for (int word = 0; word < _LINUX_CAPABILITY_U32S_3; word++) {
		if ((sets[word].effective | sets[word].permitted | sets[word].inheritable) != 0) {
			return false;
		}
	}
	/* The ambient set is no greater than the permitted one, so it is empty, too. */
	return true;
}

bool privileges_forgo(int capability) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	/* Else root's next program would have it again; and as one that gains rights in execve it would
	 * lose the signal of its parent's death. */
	privileges_raise();
	bool is_bounded = prctl(PR_CAPBSET_READ, capability) != 1 ||
	                  prctl(PR_CAPBSET_DROP, capability) == 0;
	int error = errno;
	privileges_lower();
	errno = error;
	if (!is_bounded || syscall(SYS_capget, &header, sets) != 0) {
		return false;
	}
	struct __user_cap_data_struct *set = &sets[CAP_TO_INDEX(capability)];
	unsigned others = ~CAP_TO_MASK(capability);
	set->effective &= others;
	/* From here a change of ids takes it up. */
	set->permitted &= others;
	set->inheritable &= others;
	return syscall(SYS_capset, &header, sets) == 0;
}

void privileges_stay_forgone(void) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	if (syscall(SYS_capget, &header, sets) != 0) {
		return;
	}
	for (int capability = 0; prctl(PR_CAPBSET_READ, (unsigned long)capability) >= 0; capability++) {
		if ((sets[CAP_TO_INDEX(capability)].permitted & CAP_TO_MASK(capability)) == 0) {
			prctl(PR_CAPBSET_DROP, (unsigned long)capability);
		}
	}
}

void privileges_empty_bounding_set(void) {
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
		prctl(PR_CAPBSET_DROP, capability);
	}
}

void privileges_drop(void) {
	if (!is_held) {
		return;
	}
	uid_t real, effective, saved;
	uid_t caller = getuid();
	/* The saved id changes only with root's rights, or to one of the other two: it is one. */
	if (setresuid(caller, caller, caller) != 0 || !privileges_clear_capabilities() ||
	    getresuid(&real, &effective, &saved) != 0 || real != caller || effective != caller ||
	    saved != caller || (caller != 0 && setuid(0) == 0)) {
		_exit(EXIT_PRIVILEGES);
	}
	is_held = false;
}

void privileges_forget(void) {
	is_held = false;
}

/* An ignored SIGCHLD would have the kernel reap our children, an ignored or blocked SIGTERM stays so. */
static bool reset_signals(void) {
	sigset_t none;
	for (int number = 1; number < NSIG; number++) {
		/* Refused for SIGKILL, SIGSTOP and what libc keeps for itself. */
		signal(number, SIG_DFL);
	}
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

/* Timers go through exec, and would end us at a time that the caller chooses. */
static bool stop_timers(void) {
	static const struct itimerval never;
	return setitimer(ITIMER_REAL, &never, NULL) == 0 &&
	       setitimer(ITIMER_VIRTUAL, &never, NULL) == 0 && setitimer(ITIMER_PROF, &never, NULL) == 0;
}

/* Limits that the caller has set so tight that a step in the middle fails, or a table is cut short. */
static bool set_limits(void) {
	static const struct {
		int resource;
		struct rlimit limit;
	} limits[] = {
		{RLIMIT_NOFILE, {1024, 1024}},
		{RLIMIT_STACK, {8 << 20, 8 << 20}},
		{RLIMIT_CORE, {0, 0}},
		{RLIMIT_FSIZE, {RLIM_INFINITY, RLIM_INFINITY}},
		{RLIMIT_AS, {RLIM_INFINITY, RLIM_INFINITY}},
		{RLIMIT_DATA, {RLIM_INFINITY, RLIM_INFINITY}},
		{RLIMIT_CPU, {RLIM_INFINITY, RLIM_INFINITY}},
	};
	for (size_t index = 0; index < sizeof limits / sizeof limits[0]; index++) {
		if (setrlimit((__rlimit_resource_t)limits[index].resource, &limits[index].limit) != 0) {
			return false;
		}
	}
	return true;
}

static bool is_set_id(void) {
	return getuid() != geteuid() || getgid() != getegid() || getauxval(AT_SECURE) != 0;
}

bool privileges_begin(char *message, int size) {
	if (!IS_INSTALLED) {
		bool is_refused = is_set_id();
		if (is_refused) {
			/* Even to say so it takes nothing but its caller's rights. */
			if (setresgid(getgid(), getgid(), getgid()) != 0 ||
			    setresuid(getuid(), getuid(), getuid()) != 0 || !privileges_clear_capabilities()) {
				_exit(EXIT_PRIVILEGES);
			}
			snprintf(message, (size_t)size,
			         "refuses to run set-id or with file capabilities: \"make install\" "
			         "installs a helper that is meant to");
		}
		return !is_refused;
	}
	/* Secure bits go through exec, and one of them has capabilities outlive a change of ids. */
	if (geteuid() != 0 || getgid() != getegid() || prctl(PR_GET_SECUREBITS) != 0) {
		snprintf(message, (size_t)size,
		         "the installed helper has no rights of root here: it is not set-uid root, or "
		         "on a file system mounted nosuid, or its caller has no_new_privs or "
		         "secure bits");
		return false;
	}
	is_held = true;
	if (clearenv() != 0 || !set_limits() || !reset_signals() || !stop_timers()) {
		privileges_drop();
		snprintf(message, (size_t)size, "cannot undo what the caller has set");
		return false;
	}
	umask(077);
	/* Also whoever is root already: a core dump or a tracer of its own would show what we hold. */
	prctl(PR_SET_DUMPABLE, 0);
	privileges_lower();
	return true;
}
