#include "unmount.h"

#include <errno.h>
#include <unistd.h>

#include "mounted.h"
#include "process.h"
#include "report.h"

int unmount_run(const struct options *options) {
	struct mounted mount = {
		.way = geteuid() == 0 ? WAY_DIRECT : WAY_FUSERMOUNT3,
		.id = options->mount_id,
		.major = options->device_major,
		.minor = options->device_minor,
		.watch = -1,
		.abort = -1,
	};
	char said[512] = "";
	signals_block();
	switch (mounted_remove(&mount, options->lazy, said, sizeof said)) {
	case UNMOUNTED:
		return 0;
	case UNMOUNT_COVERED:
		report_failure(FAIL_MOUNTPOINT, EBUSY, "%s is covered by another mount",
		               options->mountpoint);
		return 1;
	case UNMOUNT_BUSY:
		break;
	}
	report_failure(FAIL_BUSY, said[0] != 0 ? 0 : errno, "%s",
	               said[0] != 0 ? said : options->mountpoint);
	return 1;
}
