#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * What the launcher is told, in one line on the descriptor it gave:
 *
 *   ready WAY MOUNT-ID MAJOR:MINOR SUPERVISOR-PID
 *   failed CODE ERRNO TEXT
 *
 * Without that descriptor a failure is a line on stderr.
 */

enum failure {
	FAIL_USAGE,
	FAIL_PRIVILEGE,      /* Set-id and not meant to be, or installed and not set-id. */
	FAIL_POLICY,         /* The administrator does not permit it. */
	FAIL_IMAGE,
	FAIL_IN_USE,         /* Another has the image, in a way that excludes ours. */
	FAIL_LOOP,           /* No loop device for it, which was asked for. */
	FAIL_MOUNTPOINT,
	FAIL_DEVICE,         /* /dev/fuse. */
	FAIL_NO_FUSERMOUNT3,
	FAIL_FUSERMOUNT3,    /* TEXT is its own line. */
	FAIL_MOUNT,
	FAIL_NAMESPACE,
	FAIL_SERVER,         /* It has said why on stderr, unless a signal ended it. */
	FAIL_BUSY,
	FAIL_SIGNAL,         /* Asked to stop before the mount was ready. */
	FAIL_INTERNAL,
};

void report_to(int fd);

/* error is an errno value, or 0 where there is none. */
void report_failure(enum failure failure, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* False when the one who waited for it is gone. Nothing can be reported afterwards. */
bool report_ready(const char *way, unsigned id, unsigned major, unsigned minor, pid_t supervisor);
