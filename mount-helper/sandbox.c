#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "identity.h"
#include "sandbox-layers.h"

/* An id that owns nothing, but may be shared: the kernel's overflow id; "nobody". */
enum { OVERFLOW_ID = 65534 };

bool problem_set(struct problem *problem, int error, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(problem->text, sizeof problem->text, format, arguments);
	va_end(arguments);
	if (error != 0 && length > 0 && (size_t)length < sizeof problem->text) {
		snprintf(problem->text + length, sizeof problem->text - (size_t)length, ": %s",
		         strerror(error));
	}
	/* The report has one line a layer, fields parted by tabs. */
	for (char *at = problem->text; *at != 0; at++) {
		if (*at == '\n' || *at == '\t') {
			*at = ' ';
		}
	}
	return false;
}

/* One line of the report: NAME yes|no DETAIL. */
__attribute__((format(printf, 4, 5))) static void tell(struct sandbox *sandbox, const char *name,
                                                       bool is_active, const char *format, ...) {
	size_t used = strlen(sandbox->report);
	size_t left = sizeof sandbox->report - used;
	char detail[300];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(detail, sizeof detail, format, arguments);
	va_end(arguments);
	snprintf(sandbox->report + used, left, "%s\t%s\t%s\n", name, is_active ? "yes" : "no", detail);
}

void sandbox_prepare(struct sandbox *sandbox, const struct options *options, unsigned device_minor,
                     bool has_identity) {
	/* Of `run`, root is the only id there is. */
	bool is_root = geteuid() == 0 && options->action != ACTION_RUN;
	*sandbox = (struct sandbox){
		.level = options->sandbox,
		.start = has_identity ? START_IDENTITY : is_root ? START_ROOT : START_USER,
		.own_id = identity_of(device_minor),
		.uid = geteuid(),
		.gid = getegid(),
	};
	snprintf(sandbox->report, sizeof sandbox->report, "wanted\t%s\nrequired\t%s\n",
	         level_name(options->sandbox), level_name(options->require_sandbox));
}

pid_t sandbox_fork(struct sandbox *sandbox) {
	return sandbox->level == SANDBOX_OFF ? fork() : sandbox_clone(sandbox);
}

/*
 * In the child: of an installed helper it is nobody's but the server's own, so that no caller can
 * trace the loader that is asked, and answer in its place.
 */
static bool find_files(struct sandbox *sandbox, const struct options *options,
                       struct problem *problem) {
	if (!sandbox_add_file(sandbox, options->server[0], problem) ||
	    !sandbox_add_libraries(sandbox, options->server[0], problem)) {
		return false;
	}
	for (int index = 0; index < options->expose_count; index++) {
		if (!sandbox_add_file(sandbox, options->expose[index], problem)) {
			return false;
		}
	}
	return true;
}

static bool fatal(const char *layer, const struct problem *problem) {
	dprintf(STDERR_FILENO, "ext4box: cannot make the sandbox: %s: %s\n", layer, problem->text);
	return false;
}

/*
 * There is no going on with a mount namespace that has the old root in it: it would keep every mount
 * of the machine alive, unmounted as it may be elsewhere, for as long as the server lives.
 */
static bool enter_root(struct sandbox *sandbox) {
	struct problem problem = {""};
	if (!sandbox->has_namespaces) {
		tell(sandbox, "root", false, "%s", "needs a mount namespace");
		return true;
	}
	if (!sandbox_make_root(sandbox, &problem)) {
		return fatal("root", &problem);
	}
	sandbox->has_root = true;
	tell(sandbox, "root", true, "%d files and directories, read-only", sandbox->file_count);
	return true;
}

/*
 * One of its own, for two servers with the same could kill each other. A container may have no such
 * number, and not even nobody's; then root keeps its id, without its capabilities.
 */
static bool change_root_id(struct sandbox *sandbox) {
	const unsigned ids[] = {sandbox->own_id, OVERFLOW_ID};
	struct problem problem = {""};
	for (size_t index = 0; index < sizeof ids / sizeof ids[0]; index++) {
		if (sandbox_change_id(ids[index], ids[index], &problem)) {
			sandbox->uid = sandbox->gid = ids[index];
			tell(sandbox, "id", true, "%u, %s", ids[index],
			     index == 0 ? "its own" : "which owns nothing");
			return true;
		}
		/* That there is none with this number in the user namespace. */
		if (errno != EINVAL) {
			return fatal("id", &problem);
		}
	}
	tell(sandbox, "id", false, "%s", problem.text);
	return true;
}

/* Root gives up its id, and gets the user namespace that the others have from the start. */
static bool leave_root_id(struct sandbox *sandbox, int proc) {
	struct problem problem = {""};
	if (!change_root_id(sandbox)) {
		return false;
	}
	if (!sandbox->has_namespaces) {
		return true;
	}
	/* Denied, it stays in the others, which are root's, or in one that maps no id at all. */
	sandbox->has_user = unshare(CLONE_NEWUSER) == 0
	                        ? sandbox_map_ids(proc, sandbox->uid, sandbox->gid, &problem)
	                        : problem_set(&problem, errno, "none can be made");
	if (!sandbox->has_user) {
		snprintf(sandbox->namespaces_problem, sizeof sandbox->namespaces_problem,
		         "user namespaces: %.200s", problem.text);
	}
	return true;
}

static void tell_namespaces(struct sandbox *sandbox) {
	if (!sandbox->has_user || !sandbox->has_namespaces) {
		tell(sandbox, "namespaces", false, "%s", sandbox->namespaces_problem);
	} else {
		tell(sandbox, "namespaces", true, "user, mount, pid, network, ipc, uts, cgroup");
	}
}

static bool enter_rest(struct sandbox *sandbox) {
	struct problem problem = {""};
	bool is_bounding_empty = false;
	if (!sandbox_set_limits(&problem)) {
		return fatal("limits", &problem);
	}
	tell(sandbox, "limits", true, "memory, descriptors, core dumps, locked memory, queues");
	if (!sandbox_drop_capabilities(&is_bounding_empty, &problem)) {
		return fatal("capabilities", &problem);
	}
	tell(sandbox, "capabilities", true, "%s",
	     is_bounding_empty ? "none, none to be had" : "none; no_new_privs, the bounding set stays");
	int abi = sandbox_landlock(sandbox, &problem);
	if (abi > 0) {
		tell(sandbox, "landlock", true, "version %d", abi);
	} else {
		tell(sandbox, "landlock", false, "%s", problem.text);
	}
	return true;
}

bool sandbox_enter(struct sandbox *sandbox, const struct options *options) {
	struct problem problem = {""};
	if (sandbox->level == SANDBOX_OFF) {
		return true;
	}
	/* A set-id program's /proc entries belong to root; execve makes this as it was. */
	prctl(PR_SET_DUMPABLE, 1);
	int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (sandbox->start == START_IDENTITY) {
		sandbox_unshare_rest(sandbox);
		tell(sandbox, "id", true, "%u, its own", (unsigned)geteuid());
	}
	if (!find_files(sandbox, options, &problem)) {
		return fatal("files", &problem);
	}
	if (!enter_root(sandbox) ||
	    (sandbox->start == START_ROOT && !leave_root_id(sandbox, proc))) {
		return false;
	}
	tell_namespaces(sandbox);
	if (proc >= 0) {
		close(proc);
	}
	if (!enter_rest(sandbox)) {
		return false;
	}
	return sandbox_seccomp(&problem) || fatal("seccomp", &problem);
}
