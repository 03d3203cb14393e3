#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "direct.h"
#include "fusermount.h"
#include "identity.h"
#include "image.h"
#include "installed.h"
#include "keeper.h"
#include "mountpoint.h"
#include "namespace.h"
#include "privileges.h"
#include "process.h"
#include "quota.h"
#include "report.h"
#include "sentinel.h"
#include "server.h"
#include "supervisor.h"

/*
 * Forks; the child goes on, the parent waits for its word: the byte 0 once the mount is ready, or the
 * end of the pipe.
 */
static bool leave_caller(struct session *session) {
	int ends[2];
	if (!pipe_raised(ends)) {
		report_failure(FAIL_INTERNAL, errno, "pipe");
		return false;
	}
	pid_t pid = fork();
	if (pid < 0) {
		report_failure(FAIL_INTERNAL, errno, "fork");
		return false;
	}
	if (pid > 0) {
		char byte = 1;
		privileges_drop();
		close(ends[1]);
		while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {
		}
		_exit(byte);
	}
	close(ends[0]);
	session->front = ends[1];
	return true;
}

static bool open_signals(struct session *session) {
	sigset_t set;
	signals_block();
	sigprocmask(SIG_BLOCK, NULL, &set);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	session->signals = fd < 0 ? -1 : fd_raise(fd);
	if (session->signals < 0) {
		report_failure(FAIL_INTERNAL, errno, "signalfd");
	}
	return session->signals >= 0;
}

static bool find_mountpoint(struct session *session) {
	struct stat facts;
	const char *given = session->options->mountpoint;
	if (privileges_held()) {
		session->directory = mountpoint_open(given, session->mountpoint);
		return session->directory >= 0;
	}
	if (realpath(given, session->mountpoint) == NULL || stat(session->mountpoint, &facts) != 0) {
		report_failure(FAIL_MOUNTPOINT, errno, "%s", given);
		return false;
	}
	if (!S_ISDIR(facts.st_mode)) {
		report_failure(FAIL_MOUNTPOINT, ENOTDIR, "%s", given);
		return false;
	}
	return true;
}

static enum way choose_way(const struct options *options) {
	if (IS_INSTALLED) {
		return WAY_INSTALLED;
	}
	if (options->action == ACTION_RUN) {
		return WAY_NAMESPACE;
	}
	if (options->way != WAY_AUTO) {
		return options->way;
	}
	return geteuid() == 0 ? WAY_DIRECT : WAY_FUSERMOUNT3;
}

static bool has_root_rights(enum way way) {
	return way == WAY_INSTALLED || (way == WAY_DIRECT && geteuid() == 0);
}

static bool start_sentinel(struct session *session) {
	const struct charge charge = {
		.way = choose_way(session->options),
		.mountpoint = session->mountpoint,
		.is_temporary = session->options->temporary,
	};
	pid_t pid = sentinel_start(&charge, session->lifeline);
	session->sentinel = pid > 0 ? pid : 0;
	return pid > 0;
}

bool session_restart_sentinel(struct session *session) {
	/* Told first: so it never takes what it finds for what was there before. */
	return sentinel_tell(&session->mount, session->lifeline) && start_sentinel(session);
}

/* Where there is none yet, it is found by the path. */
static bool know_mount(struct session *session, enum way way) {
	return session->mount.id != 0 ||
	       mounted_identify(&session->mount, way, session->mountpoint);
}

/* With the caller's rights: who may not use FUSE on this machine does not get to through us. */
static int open_fuse(void) {
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0 || (fuse = fd_raise(fuse)) < 0) {
		report_failure(FAIL_DEVICE, errno, "cannot open /dev/fuse");
	}
	return fuse;
}

/* By fusermount3: what that had the right to is found out afterwards. */
static bool mount_by_fusermount(struct session *session) {
	session->fuse =
		fusermount_mount(session->options, session->mountpoint, session->lifeline[1]);
	if (session->fuse < 0) {
		return false;
	}
	grant_as_found(&session->grant, session->options, session->fuse);
	return true;
}

static bool mount_installed(struct session *session) {
	const struct options *options = session->options;
	/* Held until the mount is there to be counted. */
	int turn = quota_reserve(session->policy.mounts_max, &session->slot);
	bool is_mounted = turn >= 0 && (session->fuse = open_fuse()) >= 0 &&
	                  grant_before_mount(&session->grant, options, &session->policy, session->fuse,
	                                     &session->image) &&
	                  attach_mount(options, session->fuse, session->directory, session->mountpoint,
	                               &session->mount);
	fd_close(&turn);
	fd_close(&session->directory);
	return is_mounted;
}

static bool mount_directly(struct session *session, enum way way) {
	const struct options *options = session->options;
	session->fuse = open_fuse();
	if (session->fuse < 0) {
		return false;
	}
	if (!has_root_rights(way)) {
		grant_as_found(&session->grant, options, session->fuse);
	} else if (!grant_before_mount(&session->grant, options, &session->policy, session->fuse,
	                               &session->image)) {
		return false;
	}
	return direct_mount(options, session->fuse, session->mountpoint);
}

static bool open_mount(struct session *session, enum way way) {
	switch (way) {
	case WAY_FUSERMOUNT3:
		return mount_by_fusermount(session);
	case WAY_INSTALLED:
		return mount_installed(session);
	default:
		return mount_directly(session, way);
	}
}

static bool make_mount(struct session *session) {
	enum way way = choose_way(session->options);
	if (!open_mount(session, way)) {
		/* A loop device goes with its last descriptor. */
		fd_close(&session->image);
		fd_close(&session->fuse);
		/* What another mounts there in this moment is not for the sentinel. */
		session->mount.is_gone = true;
		sentinel_tell(&session->mount, session->lifeline);
		return false;
	}
	/* Where this fails the sentinel, untold, looks once more when we are gone. */
	if (!know_mount(session, way)) {
		report_failure(FAIL_INTERNAL, errno, "the new mount is not in the mount table");
		return false;
	}
	if (!sentinel_tell(&session->mount, session->lifeline)) {
		report_failure(FAIL_INTERNAL, errno, "cannot tell the sentinel");
		return false;
	}
	/* By this name, its uid and the mount's device number `ext4box umount` finds us: state that
	 * no file holds can't be stale. 15 bytes hold the greatest minor, 1048575. */
	char name[16];
	snprintf(name, sizeof name, "ext4box:%u", session->mount.minor & 0xfffff);
	prctl(PR_SET_NAME, name);
	return true;
}

/*
 * The server speaks through us: a daemon's would hold its caller's stderr open for ever, and from a
 * terminal, open for reading as they are, any could read what is typed into it.
 */
static bool open_words(struct session *session, int *theirs) {
	int ends[2];
	if (!pipe_raised(ends)) {
		return false;
	}
	session->words = ends[0];
	*theirs = ends[1];
	return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

/* Where fusectl is not mounted no connection can be cut; a server that writes must hear of it. */
static bool open_input(struct session *session, int *theirs) {
	int ends[2];
	if (!options_writes(session->options)) {
		*theirs = fd_raise(open("/dev/null", O_RDONLY | O_CLOEXEC));
		return *theirs >= 0;
	}
	if (!pipe_raised(ends)) {
		return false;
	}
	*theirs = ends[0];
	session->stop = ends[1];
	return true;
}

static bool start_server(struct session *session) {
	int status[2];
	struct server server = {
		.options = session->options,
		.grant = &session->grant,
		.device_minor = session->mount.minor,
		.words = -1,
		.fuse = session->fuse,
		.image = session->image,
	};
	if (!open_input(session, &server.input) || !pipe_raised(status) ||
	    !open_words(session, &server.words)) {
		report_failure(FAIL_INTERNAL, errno, "cannot prepare the server's descriptors");
		return false;
	}
	session->status = status[0];
	server.status = status[1];
	/* Signs of life that nobody has taken yet are to hold up neither side. */
	fcntl(status[0], F_SETFL, O_NONBLOCK);
	fcntl(status[1], F_SETFL, O_NONBLOCK);
	pid_t pid;
	if (privileges_held()) {
		struct kept kept;
		bool is_kept = keeper_start(&server, session->slot, &kept);
		pid = is_kept ? kept.keeper : -1;
		session->serving = kept.server;
		session->line = kept.line;
	} else {
		pid = session->serving = server_start(&server, NULL);
	}
	int error = errno;
	close(server.input);
	close(server.status);
	close(server.words);
	fd_close(&session->slot);
	/* From now on only the server holds these: with its end the connection ends. */
	fd_close(&session->fuse);
	fd_close(&session->image);
	if (pid < 0) {
		report_failure(FAIL_INTERNAL, error, "cannot start the server%s",
		               session->mount.way == WAY_INSTALLED ? " under an id of its own" : "");
		return false;
	}
	session->server = pid;
	return true;
}

static void stay_with_caller(const struct session *session) {
	if (session->stays_with_caller) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != session->caller) {
			raise(SIGTERM);
		}
	}
}

/* What the administrator says, for an installed helper, to what the caller asks for. */
static bool may_mount(struct session *session) {
	struct options *options = &session->permitted;
	char message[512];
	if (!installed_check_server(message, sizeof message)) {
		report_failure(FAIL_POLICY, 0, "%s", message);
		return false;
	}
	if (!policy_read(&session->policy)) {
		return false;
	}
	if (!session->policy.is_user || identity_is_reserved(getuid())) {
		report_failure(FAIL_POLICY, 0, "%s does not name you as a user of it", POLICY_PATH);
		return false;
	}
	if (options->allow_other && !session->policy.allow_other) {
		report_failure(FAIL_POLICY, 0, "%s does not permit allow_other", POLICY_PATH);
		return false;
	}
	if (options->sandbox < SANDBOX_NORMAL) {
		report_failure(FAIL_POLICY, 0, "it starts no server without a sandbox");
		return false;
	}
	if (options->sandbox < session->policy.require_sandbox) {
		report_failure(FAIL_POLICY, 0, "%s permits no sandbox below %s (require_sandbox)",
		               POLICY_PATH, level_name(session->policy.require_sandbox));
		return false;
	}
	if (options->require_sandbox < session->policy.require_sandbox) {
		options->require_sandbox = session->policy.require_sandbox;
	}
	if (options->loop && !session->policy.loop) {
		report_failure(FAIL_POLICY, 0, "%s does not permit loop devices", POLICY_PATH);
		return false;
	}
	/* Who else may enter is bound by modes. */
	options->default_permissions = options->default_permissions || options->allow_other;
	options->noexec = options->noexec || session->policy.noexec;
	return true;
}

/*
 * By the source in the mount table root's programs tell what is mounted: a user's mount must not pass
 * for that of another device. What is no path can't be taken for one.
 */
static bool may_be_called(const struct session *session) {
	const char *name = session->options->fsname;
	if (!privileges_held() || getuid() == 0 || name[0] != '/' ||
	    image_is_at(session->image, name)) {
		return true;
	}
	report_failure(FAIL_IMAGE, 0, "the name %.256s is not that of the image: only root may choose one",
	               name);
	return false;
}

/* Up to the mount; false is reported, and leaves nothing mounted. */
static bool begin(struct session *session) {
	const struct options *options = session->options;
	bool is_daemon = options->action == ACTION_MOUNT && !options->foreground;
	if (is_daemon && !leave_caller(session)) {
		return false;
	}
	if (privileges_held() && !may_mount(session)) {
		return false;
	}
	if (options->loop && !has_root_rights(choose_way(options))) {
		report_failure(FAIL_LOOP, 0, "a loop device takes root, or the installed helper");
		return false;
	}
	session->image = image_open(options->image, !options_writes(options));
	if (session->image < 0 || !may_be_called(session) || !find_mountpoint(session)) {
		return false;
	}
	if (options->action == ACTION_RUN && !namespace_enter()) {
		return false;
	}
	session->stays_with_caller = !is_daemon && options->report_fd >= 0;
	session->caller = getppid();
	/* After the namespace: the change of credentials would cancel it. */
	stay_with_caller(session);
	if (!open_signals(session)) {
		return false;
	}
	if (!pipe_raised(session->lifeline) || !start_sentinel(session)) {
		report_failure(FAIL_INTERNAL, errno, "cannot start the sentinel");
		return false;
	}
	return make_mount(session);
}

static void finish(struct session *session) {
	int status;
	mounted_remove(&session->mount, true, NULL, 0);
	if (session->options->temporary) {
		rmdir(session->mountpoint);
	}
	fd_close(&session->lifeline[1]);
	if (session->sentinel > 0) {
		child_wait(session->sentinel, 2000, &status);
	}
	mounted_close(&session->mount);
}

int session_run(const struct options *options) {
	struct session session = {
		.permitted = *options,
		.policy = {.iomap = true, .loop = true},
		.mount = {.watch = -1, .abort = -1, .connection = -1},
		.image = -1,
		.directory = -1,
		.fuse = -1,
		.front = -1,
		.signals = -1,
		.status = -1,
		.words = -1,
		.stop = -1,
		.line = -1,
		.slot = -1,
		.lifeline = {-1, -1},
		.watchdog = {.beats = -1},
		.exit_status = 1,
	};
	session.options = &session.permitted;
	if (!begin(&session)) {
		privileges_drop();
		if (options->temporary) {
			rmdir(session.mountpoint[0] != 0 ? session.mountpoint : options->mountpoint);
		}
		return 1;
	}
	bool is_started = start_server(&session);
	privileges_drop();
	if (is_started) {
		/* The change of ids has cancelled it. */
		stay_with_caller(&session);
		if (session.mount.way == WAY_INSTALLED) {
			mounted_know_unique(&session.mount, session.mountpoint);
			sentinel_tell(&session.mount, session.lifeline);
		}
		supervise(&session);
	}
	/* Before the unmount: while we hold /dev/fuse, who waits on the mount would wait on us. */
	fd_close(&session.fuse);
	finish(&session);
	supervisor_leave_verdict(&session);
	return session.exit_status;
}
