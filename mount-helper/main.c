/*
 * mount-helper: what Node can't do for ext4box. README.md has the contract and the threats.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "privileges.h"
#include "process.h"
#include "report.h"
#include "session.h"
#include "unmount.h"

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv) {
	struct options options;
	char refusal[256], message[256];
	/* Before anything that a caller has a say in. What is held is not used here: it acts as the caller. */
	bool may_run = privileges_begin(refusal, sizeof refusal);
	bool is_understood = options_parse(argc, argv, &options, message, sizeof message);
	if (!fds_sanitize(&options.report_fd)) {
		options.report_fd = -1;
		report_failure(FAIL_INTERNAL, errno, "descriptors");
		return 1;
	}
	report_to(options.report_fd);
	if (!may_run) {
		report_failure(FAIL_PRIVILEGE, 0, "%s", refusal);
		return 1;
	}
	if (!is_understood) {
		report_failure(FAIL_USAGE, 0, "%s", message);
		return EXIT_USAGE;
	}
	return options.action == ACTION_UNMOUNT ? unmount_run(&options) : session_run(&options);
}
