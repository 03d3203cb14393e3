#include "direct.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mountinfo.h"
#include "report.h"

static unsigned long flags_of(const struct options *options) {
	return MS_NOSUID | MS_NODEV | (options->read_only ? MS_RDONLY : 0) |
	       (options->noexec ? MS_NOEXEC : 0) | (options->noatime ? MS_NOATIME : 0);
}

bool direct_attach(const struct options *options, int fuse, mode_t rootmode, const char *path) {
	/* Numbers and fixed words alone: the only text of the caller's is the source, not an option. */
	char data[160], type[16];
	snprintf(type, sizeof type, "fuse.%s", options->subtype);
	snprintf(data, sizeof data, "fd=%d,rootmode=%o,user_id=%u,group_id=%u%s%s", fuse, rootmode,
	         (unsigned)getuid(), (unsigned)getgid(), options->allow_other ? ",allow_other" : "",
	         options->default_permissions ? ",default_permissions" : "");
	return mount(options->fsname, path, type, flags_of(options), data) == 0;
}

bool direct_mount(const struct options *options, int fuse, const char *mountpoint) {
	struct stat facts;
	if (stat(mountpoint, &facts) != 0) {
		report_failure(FAIL_MOUNTPOINT, errno, "%s", mountpoint);
		return false;
	}
	if (!direct_attach(options, fuse, facts.st_mode & S_IFMT, mountpoint)) {
		report_failure(FAIL_MOUNT, errno, "cannot mount on %s", mountpoint);
		return false;
	}
	return true;
}

bool direct_unmount(const char *mountpoint, bool is_lazy) {
	return umount2(mountpoint, UMOUNT_NOFOLLOW | (is_lazy ? MNT_DETACH : 0)) == 0;
}
