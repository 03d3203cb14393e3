#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int report_fd = -1;

static const char *const codes[] = {
	[FAIL_USAGE] = "usage",
	[FAIL_PRIVILEGE] = "privilege",
	[FAIL_POLICY] = "policy",
	[FAIL_IMAGE] = "image",
	[FAIL_IN_USE] = "in-use",
	[FAIL_LOOP] = "loop",
	[FAIL_MOUNTPOINT] = "mountpoint",
	[FAIL_DEVICE] = "device",
	[FAIL_NO_FUSERMOUNT3] = "no-fusermount3",
	[FAIL_FUSERMOUNT3] = "fusermount3",
	[FAIL_MOUNT] = "mount",
	[FAIL_NAMESPACE] = "namespace",
	[FAIL_SERVER] = "server",
	[FAIL_BUSY] = "busy",
	[FAIL_SIGNAL] = "signal",
	[FAIL_INTERNAL] = "internal",
};

void report_to(int fd) {
	report_fd = fd;
}

static bool write_line(int fd, const char *line) {
	size_t length = strlen(line);
	while (length > 0) {
		ssize_t written = write(fd, line, length);
		if (written == 0 || (written < 0 && errno != EINTR)) {
			return false;
		}
		if (written > 0) {
			line += written;
			length -= (size_t)written;
		}
	}
	return true;
}

void report_failure(enum failure failure, int error, const char *format, ...) {
	char text[1024];
	char line[1280];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	/* One failure is one line, whatever path or program put a line feed in. */
	for (char *at = text; *at != 0; at++) {
		if (*at == '\n') {
			*at = ' ';
		}
	}
	if (report_fd >= 0) {
		snprintf(line, sizeof line, "failed %s %d %s\n", codes[failure], error, text);
		write_line(report_fd, line);
		return;
	}
	if (error != 0) {
		snprintf(line, sizeof line, "mount-helper: %s: %s\n", text, strerror(error));
	} else {
		snprintf(line, sizeof line, "mount-helper: %s\n", text);
	}
	write_line(STDERR_FILENO, line);
}

bool report_ready(const char *way, unsigned id, unsigned major, unsigned minor, pid_t supervisor) {
	char line[128];
	if (report_fd < 0) {
		return true;
	}
	snprintf(line, sizeof line, "ready %s %u %u:%u %d\n", way, id, major, minor, (int)supervisor);
	bool told = write_line(report_fd, line);
	close(report_fd);
	report_fd = -1;
	return told;
}
