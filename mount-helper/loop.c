#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "privileges.h"
#include "process.h"

enum {
	/* A number that is free now may be another's a moment later. */
	ATTEMPTS_MAX = 32,
	PAUSE_NS = 2000000,
	/* Of the smallest blocks, 1 KiB, two: larger sectors would make such a file system unreadable. */
	SECTOR_BYTES = 512,
	LOOP_MAJOR = 7,
};

static bool failed(struct loop *loop, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool failed(struct loop *loop, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(loop->problem, sizeof loop->problem, format, arguments);
	va_end(arguments);
	return false;
}

/*
 * Threads of the kernel wait for the file system below a loop device, and with them whoever looks at
 * the device. None may be a server of the caller's, or one that such a server answers for: no FUSE, no
 * overlay, no network. Numbers that linux/magic.h lacks are from statfs(2).
 */
static bool is_dependable(int file) {
	static const uint32_t known[] = {
		EXT4_SUPER_MAGIC, BTRFS_SUPER_MAGIC, 0x58465342 /* XFS */,  F2FS_SUPER_MAGIC,
		TMPFS_MAGIC,      0x2fc12fc1 /* ZFS */, 0xca451a4e /* bcachefs */, 0x3153464a /* JFS */,
	};
	struct statfs system;
	if (fstatfs(file, &system) != 0) {
		return false;
	}
	for (size_t index = 0; index < sizeof known / sizeof known[0]; index++) {
		if ((uint32_t)system.f_type == known[index]) {
			return true;
		}
	}
	return false;
}

/* Exclusively, so that nobody mounts it; without following what may lie there in the device's place. */
static int open_device(unsigned number, bool read_only) {
	char path[32];
	struct stat facts;
	snprintf(path, sizeof path, "/dev/loop%u", number);
	int mode = read_only ? O_RDONLY : O_RDWR;
	int fd = open(path, mode | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (fd < 0) {
		return -1;
	}
	if (fstat(fd, &facts) != 0 || !S_ISBLK(facts.st_mode) || major(facts.st_rdev) != LOOP_MAJOR) {
		close(fd);
		errno = ENOTBLK;
		return -1;
	}
	return fd;
}

static bool configure(int device, int file, unsigned flags) {
	struct loop_config config = {
		.fd = (unsigned)file,
		.block_size = SECTOR_BYTES,
		.info = {.lo_flags = flags},
	};
	snprintf((char *)config.info.lo_file_name, sizeof config.info.lo_file_name, LOOP_NAME "%u",
	         (unsigned)getuid());
	return ioctl(device, LOOP_CONFIGURE, &config) == 0;
}

/* Where the file can't have direct I/O, kernels leave it out, or refuse. */
static bool configure_best(int device, int file, bool read_only) {
	unsigned flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0);
	return configure(device, file, flags | LO_FLAGS_DIRECT_IO) ||
	       (errno == EINVAL && configure(device, file, flags));
}

/* Whether what lies behind the device is this file and nothing else, for as long as we have it. */
static bool is_ours(int device, int file, bool read_only, struct loop *loop) {
	struct loop_info64 info = {.lo_flags = 0};
	struct stat facts;
	if (ioctl(device, LOOP_GET_STATUS64, &info) != 0 || fstat(file, &facts) != 0) {
		return failed(loop, "/dev/loop%u: %s", loop->number, strerror(errno));
	}
	loop->is_direct = (info.lo_flags & LO_FLAGS_DIRECT_IO) != 0;
	bool is_read_only = (info.lo_flags & LO_FLAGS_READ_ONLY) != 0;
	if (info.lo_number != loop->number || info.lo_device != facts.st_dev ||
	    info.lo_inode != facts.st_ino || info.lo_offset != 0 || info.lo_sizelimit != 0 ||
	    (info.lo_flags & LO_FLAGS_AUTOCLEAR) == 0 || (info.lo_flags & LO_FLAGS_PARTSCAN) != 0 ||
	    is_read_only != read_only) {
		return failed(loop, "/dev/loop%u is not what was asked for", loop->number);
	}
	return true;
}

/* One number that is free. -1 with errno 0: taken by another meanwhile. */
static int try_number(int file, bool read_only, struct loop *loop) {
	int device = open_device(loop->number, read_only);
	if (device >= 0 && configure_best(device, file, read_only)) {
		return device;
	}
	int error = errno;
	fd_close(&device);
	/* EBUSY: attached, or opened by one who is about to; ENXIO, ENODEV: removed. */
	bool is_taken = error == EBUSY || error == ENXIO || error == ENODEV;
	if (!is_taken) {
		failed(loop, "/dev/loop%u: %s", loop->number, strerror(error));
	}
	errno = is_taken ? 0 : error;
	return -1;
}

static int find_device(int control, int file, bool read_only, struct loop *loop) {
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0) {
			failed(loop, "no free loop device: %s", strerror(errno));
			return -1;
		}
		loop->number = (unsigned)number;
		int device = try_number(file, read_only, loop);
		if (device >= 0 || errno != 0) {
			return device;
		}
		nanosleep(&pause, NULL);
	}
	failed(loop, "each of %d loop devices was taken by others", ATTEMPTS_MAX);
	return -1;
}

static int attach(int file, bool read_only, struct loop *loop) {
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (control < 0) {
		failed(loop, "/dev/loop-control: %s", strerror(errno));
		return -1;
	}
	int device = find_device(control, file, read_only, loop);
	close(control);
	if (device >= 0 && !is_ours(device, file, read_only, loop)) {
		fd_close(&device);
	}
	return device;
}

int loop_attach(int file, bool read_only, struct loop *loop) {
	*loop = (struct loop){.problem = ""};
	/* Root may do so with any file, by losetup. */
	if (getuid() != 0 && !is_dependable(file)) {
		failed(loop, "its file system is not one to put a loop device on");
		return -1;
	}
	privileges_raise();
	int device = attach(file, read_only, loop);
	privileges_lower();
	if (device < 0) {
		return -1;
	}
	device = fd_raise(device);
	if (device < 0) {
		failed(loop, "no descriptor for /dev/loop%u: %s", loop->number, strerror(errno));
	}
	return device;
}
