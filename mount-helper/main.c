/*
 * mount-helper: what Node can't do for ext4box. README.md has the contract and the threats.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "options.h"
#include "process.h"
#include "report.h"
#include "session.h"
#include "unmount.h"

enum { EXIT_USAGE = 2 };

/* Set-id or with file capabilities: nothing here was written to hold them yet. */
static int is_privileged(void) {
	return getuid() != geteuid() || getgid() != getegid() || getauxval(AT_SECURE) != 0;
}

int main(int argc, char **argv) {
	struct options options;
	char message[256];
	if (is_privileged()) {
		report_failure(FAIL_PRIVILEGE, 0, "refuses to run set-id or with file capabilities");
		return 1;
	}
	bool is_understood = options_parse(argc, argv, &options, message, sizeof message);
	if (!fds_sanitize(&options.report_fd)) {
		options.report_fd = -1;
		report_failure(FAIL_INTERNAL, errno, "descriptors");
		return 1;
	}
	report_to(options.report_fd);
	if (!is_understood) {
		report_failure(FAIL_USAGE, 0, "%s", message);
		return EXIT_USAGE;
	}
	return options.action == ACTION_UNMOUNT ? unmount_run(&options) : session_run(&options);
}
