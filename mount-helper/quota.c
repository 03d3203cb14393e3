#include "quota.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "installed.h"
#include "mountinfo.h"
#include "privileges.h"
#include "process.h"
#include "report.h"

enum {
	LOCK_WAIT_MS = 5000,
	SLOT_WAIT_MS = 2000, /* For a server whose mount is gone already and who still commits. */
	SLOTS_OF_USER = 1024,
};

/*
 * A byte of the lock file for each user: one who stops a helper in here holds up nobody but himself.
 * POSIX locks, for they end with the process and are not passed on to its children.
 */
static bool lock_user(int fd) {
	const struct timespec pause = {.tv_nsec = 5000000};
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)getuid(), .l_len = 1};
	long long until = now_ms() + LOCK_WAIT_MS;
	while (fcntl(fd, F_SETLK, &lock) != 0) {
		if ((errno != EAGAIN && errno != EACCES && errno != EINTR) || now_ms() >= until) {
			return false;
		}
		nanosleep(&pause, NULL);
	}
	return true;
}

static int open_lock_file(void) {
	struct stat facts;
	privileges_raise();
	int fd = open(LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	int error = errno;
	privileges_lower();
	if (fd < 0 || (fd = fd_raise(fd)) < 0 || fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) ||
	    facts.st_uid != 0 || (facts.st_mode & 077) != 0) {
		report_failure(FAIL_POLICY, fd < 0 ? error : EPERM, "%s", LOCK_PATH);
		fd_close(&fd);
		return -1;
	}
	return fd;
}

/*
 * Detached lazily, or seen in another namespace alone, a mount is not in the table, and its server
 * lives on. So each holds one of its user's bytes, above those of lock_user. Locks of the open file,
 * which go with its last descriptor.
 */
static bool take_slot(int fd, unsigned mounts_max) {
	const struct timespec pause = {.tv_nsec = 5000000};
	const off_t first = ((off_t)1 << 32) + (off_t)getuid() * SLOTS_OF_USER;
	long long until = now_ms() + SLOT_WAIT_MS;
	for (;;) {
		for (unsigned index = 0; index < mounts_max; index++) {
			struct flock lock = {
				.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first + index, .l_len = 1};
			if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
				return true;
			}
		}
		if (now_ms() >= until) {
			return false;
		}
		nanosleep(&pause, NULL);
	}
}

int quota_reserve(unsigned mounts_max, int *slot) {
	unsigned count;
	/* First: the close of any descriptor of this file, fd_raise has one, gives up its POSIX locks. */
	*slot = open_lock_file();
	int fd = *slot < 0 ? -1 : open_lock_file();
	bool is_reserved = false;
	if (fd < 0) {
		/* Reported. */
	} else if (!lock_user(fd)) {
		report_failure(FAIL_POLICY, errno, "another mount of yours is in the making");
	} else if (!mountinfo_count(getuid(), &count)) {
		report_failure(FAIL_POLICY, errno, "your mounts can't be counted");
	} else if (count >= mounts_max) {
		report_failure(FAIL_POLICY, 0,
		               "you have %u mount%s of type fuse.ext4box or fuse.ext2 to fuse.ext4, and %s "
		               "permits %u (mounts_per_user)",
		               count, count == 1 ? "" : "s", POLICY_PATH, mounts_max);
	} else if (!take_slot(*slot, mounts_max)) {
		report_failure(FAIL_POLICY, 0,
		               "servers of mounts that you have detached still run, and %s permits %u "
		               "(mounts_per_user)",
		               POLICY_PATH, mounts_max);
	} else {
		is_reserved = true;
	}
	if (!is_reserved) {
		fd_close(slot);
		fd_close(&fd);
	}
	return fd;
}
