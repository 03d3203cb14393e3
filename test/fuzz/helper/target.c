/*
 * What the mount helper reads of others, one input after another: the first byte says which. Holds
 * what is accepted against what the rest of the helper relies on, and aborts where it is not so.
 *
 * The entry point is libFuzzer's; without clang, driver.c calls it.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../mount-helper/installed.h"
#include "../../../mount-helper/mountinfo.h"
#include "../../../mount-helper/options.h"
#include "../../../mount-helper/policy.h"
#include "../../../mount-helper/report.h"

enum { ARGUMENTS_MAX = 100, MESSAGE_MAX = 256, REPORT_MAX = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                           \
	do {                                                                                           \
		if (!(condition)) {                                                                        \
			fprintf(stderr, "does not hold: %s\n", #condition);                                    \
			abort();                                                                               \
		}                                                                                          \
	} while (0)

/* A copy of its own size, ended by a zero: a step beyond it is seen. */
static char *copy_text(const uint8_t *data, size_t size) {
	char *text = malloc(size + 1);
	HOLDS(text != NULL);
	memcpy(text, data, size);
	text[size] = 0;
	return text;
}

static bool is_printable(const char *text) {
	for (; *text != 0; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f) {
			return false;
		}
	}
	return true;
}

static void check_options(const struct options *options) {
	HOLDS(options->mountpoint != NULL && options->mountpoint[0] != 0);
	HOLDS(strlen(options->mountpoint) < PATH_MAX);
	HOLDS(options->report_fd == -1 || options->report_fd > 2);
	HOLDS(options->watchdog_s <= WATCHDOG_MAX);
	HOLDS(!(IS_INSTALLED && options->action == ACTION_RUN));
	if (options->action == ACTION_UNMOUNT) {
		return;
	}
	HOLDS(options->image != NULL && options->image[0] != 0 && strlen(options->image) < PATH_MAX);
	HOLDS(options->fsname != NULL && options->fsname[0] != 0);
	HOLDS(strlen(options->fsname) <= FSNAME_MAX && is_printable(options->fsname));
	HOLDS(options->server_argc >= 1 && options->server_argc <= SERVER_ARGC_MAX);
	HOLDS(options->server != NULL && options->server[0][0] == '/');
	for (int index = 0; index < options->server_argc; index++) {
		HOLDS(options->server[index] != NULL);
	}
	HOLDS(options->action != ACTION_RUN || options->command != NULL);
	HOLDS(options->action != ACTION_RUN || options->command[0] != NULL);
}

/* Zeros part the arguments. */
static void run_options(const uint8_t *data, size_t size) {
	char *text = copy_text(data, size);
	char *argv[ARGUMENTS_MAX + 2] = {"mount-helper"};
	int argc = 1;
	for (size_t at = 0; at <= size && argc <= ARGUMENTS_MAX; at += strlen(text + at) + 1) {
		argv[argc++] = text + at;
	}
	argv[argc] = NULL;
	struct options options;
	char message[MESSAGE_MAX] = "";
	if (options_parse(argc, argv, &options, message, sizeof message)) {
		check_options(&options);
	} else {
		HOLDS(message[0] != 0);
	}
	free(text);
}

static void run_mountinfo(const uint8_t *data, size_t size) {
	char *line = copy_text(data, size);
	static struct mountinfo mount;
	memset(&mount, 0x5a, sizeof mount);
	if (mountinfo_parse(line, &mount)) {
		HOLDS(memchr(mount.path, 0, sizeof mount.path) != NULL);
	}
	free(line);
}

static void run_policy(const uint8_t *data, size_t size) {
	static char users[] = "root:x:0:0::/:/bin/sh\nme:x:1001:1001::/:/bin/sh\n";
	static char groups[] = "root:x:0:\nfuse:x:104:me\n";
	static const gid_t own[] = {1001, 104};
	const struct caller caller = {1001, own, 2};
	struct policy policy;
	char message[MESSAGE_MAX] = "";
	if (size == 0) {
		return; /* fmemopen refuses it. */
	}
	char *text = copy_text(data, size);
	FILE *file = fmemopen(text, size, "r");
	FILE *user_file = fmemopen(users, strlen(users), "r");
	FILE *group_file = fmemopen(groups, strlen(groups), "r");
	HOLDS(file != NULL && user_file != NULL && group_file != NULL);
	bool is_read = policy_parse(file, user_file, group_file, &caller, &policy, message,
	                            sizeof message);
	HOLDS(is_read || message[0] != 0);
	if (is_read) {
		HOLDS(policy.mounts_max <= 1000);
		HOLDS(!policy.is_user || strstr(text, "users") != NULL || strstr(text, "groups") != NULL);
		HOLDS(!policy.allow_other || strstr(text, "allow_other") != NULL);
		HOLDS(policy.noexec || strstr(text, "noexec") != NULL);
		HOLDS(!policy.loop || strstr(text, "loop") != NULL);
		HOLDS(policy.iomap || strstr(text, "iomap") != NULL);
		HOLDS(policy.require_sandbox == SANDBOX_OFF || strstr(text, "require_sandbox") != NULL);
	}
	fclose(file);
	fclose(user_file);
	fclose(group_file);
	free(text);
}

/* Whatever a message quotes, the launcher gets one line that it can take apart. */
static void run_report(const uint8_t *data, size_t size) {
	static char line[REPORT_MAX];
	int ends[2];
	HOLDS(pipe(ends) == 0);
	char *text = copy_text(data, size);
	report_to(ends[1]);
	report_failure(FAIL_IMAGE, 2, "%s", text);
	close(ends[1]);
	ssize_t length = read(ends[0], line, sizeof line);
	HOLDS(length > 0 && line[length - 1] == '\n');
	HOLDS(memchr(line, '\n', (size_t)length) == line + length - 1);
	HOLDS(memchr(line, 0, (size_t)length) == NULL);
	HOLDS(strncmp(line, "failed ", 7) == 0);
	close(ends[0]);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static void (*const targets[])(const uint8_t *, size_t) = {run_options, run_mountinfo,
	                                                           run_policy, run_report};
	if (size > 0) {
		targets[data[0] % 4](data + 1, size - 1);
	}
	return 0;
}
