#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "process.h"
#include "report.h"

/* For a server whose mount is gone already and who still commits, or udev, which looks at devices. */
enum { LOCK_MS = 2000 };

static int refuse(int fd, const char *path, int error, const char *what) {
	close(fd);
	report_failure(FAIL_IMAGE, error, "cannot open %s: %s", path, what);
	return -1;
}

/*
 * Who reads shares the image with others who read, who writes has it alone. The lock belongs to the
 * open file: it ends with the server, which inherits it, however that ends.
 */
static bool lock_image(int fd, bool read_only) {
	const struct timespec pause = {.tv_nsec = 20000000};
	long long until = now_ms() + LOCK_MS;
	while (flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
		if (errno == EINTR) {
			continue;
		}
		if (errno != EWOULDBLOCK) {
			/* A file system without locks: nothing keeps anybody from reading there. */
			return read_only;
		}
		if (now_ms() >= until) {
			errno = EBUSY;
			return false;
		}
		nanosleep(&pause, NULL);
	}
	return true;
}

/*
 * What the kernel makes up as it is read: /proc/self/mem, for one, would be our own memory, opened by
 * ourselves and handed to a server.
 */
static bool is_pseudo(int fd) {
	static const uint32_t made_up[] = {
		PROC_SUPER_MAGIC,  SYSFS_MAGIC,   DEBUGFS_MAGIC,    TRACEFS_MAGIC,
		SECURITYFS_MAGIC,  CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,
		SELINUX_MAGIC,     EFIVARFS_MAGIC, PSTOREFS_MAGIC, BINFMTFS_MAGIC,
		0x62656570 /* configfs */, 0x65735543 /* fusectl */,
	};
	struct statfs system;
	if (fstatfs(fd, &system) != 0) {
		return true;
	}
	for (size_t index = 0; index < sizeof made_up / sizeof made_up[0]; index++) {
		if ((uint32_t)system.f_type == made_up[index]) {
			return true;
		}
	}
	return false;
}

int image_open(const char *path, bool read_only) {
	/* O_NONBLOCK: the open of a fifo or a serial line must not wait for a partner. O_EXCL means
	 * nothing for a file; a block device that the kernel has mounted, it can't be had with. */
	int mode = read_only ? O_RDONLY : O_RDWR | O_EXCL;
	int fd = open(path, mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == EISDIR) {
		/* Only where it is opened for writing; the check below sees the others. */
		report_failure(FAIL_IMAGE, EISDIR, "cannot open %s: no image", path);
		return -1;
	}
	if (fd < 0) {
		report_failure(errno == EBUSY ? FAIL_IN_USE : FAIL_IMAGE, errno, "cannot open %s", path);
		return -1;
	}
	struct stat facts;
	if (fstat(fd, &facts) != 0) {
		return refuse(fd, path, errno, "fstat");
	}
	if (S_ISDIR(facts.st_mode)) {
		return refuse(fd, path, EISDIR, "no image");
	}
	if (!S_ISREG(facts.st_mode) && !S_ISBLK(facts.st_mode)) {
		return refuse(fd, path, ENODEV, "neither a file nor a block device");
	}
	if (is_pseudo(fd)) {
		return refuse(fd, path, ENODEV, "it is not a file on a disk");
	}
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
		return refuse(fd, path, errno, "fcntl");
	}
	if (!lock_image(fd, read_only)) {
		int error = errno;
		close(fd);
		report_failure(error == EBUSY ? FAIL_IN_USE : FAIL_IMAGE, error, "cannot lock %s", path);
		return -1;
	}
	fd = fd_raise(fd);
	if (fd < 0) {
		report_failure(FAIL_INTERNAL, errno, "no descriptor for the image");
	}
	return fd;
}

bool image_is_at(int image, const char *path) {
	struct stat own, other;
	if (fstat(image, &own) != 0 || stat(path, &other) != 0) {
		return false;
	}
	if (S_ISBLK(own.st_mode)) {
		return S_ISBLK(other.st_mode) && own.st_rdev == other.st_rdev;
	}
	return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}
