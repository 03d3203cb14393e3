#include "system-log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <unistd.h>

#include "process.h"

enum { LINE_MAX_BYTES = 1024, PATIENCE_S = 10 };

static void make_one_line(char *text) {
	for (char *at = text; *at != 0; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f) {
			*at = '?';
		}
	}
}

void system_log(const char *line) {
	char text[LINE_MAX_BYTES];
	if (fork() != 0) {
		return;
	}
	/* First: until then it bears the name by which its supervisor is found. */
	prctl(PR_SET_NAME, "ext4box-log");
	snprintf(text, sizeof text, "%s", line);
	make_one_line(text);
	/* The lifeline above all must not stay open here. */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[] = {null, null, null};
	if (null < 0 || !fds_arrange(fds, 3)) {
		_exit(1);
	}
	signals_restore();
	alarm(PATIENCE_S);
	openlog("ext4box", 0, LOG_DAEMON);
	syslog(LOG_ERR, "%s", text);
	_exit(0);
}
